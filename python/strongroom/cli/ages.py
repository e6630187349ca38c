"""What stands under each key version by age, as an SVG picture."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from strongroom.cli.words import size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.client.results import CensusCount


def draw(counts: Sequence[CensusCount]) -> str:
    """A bar of bytes for each span of time in which files were last changed, in a colour for each key version."""
    days = [day for row in counts for day, _, _ in row.days]
    spans = spans_of(min(days), max(days)) if days else []
    names = sorted({name_of(row) for row in counts})
    heights = [dict.fromkeys(names, 0) for _ in spans]
    for row in counts:
        for day, _, size_of_day in row.days:
            heights[place(spans, day)][name_of(row)] += size_of_day
    most = max((sum(height.values()) for height in heights), default=0)
    parts = [*frame(names, most), *bars(spans, heights, most)]
    return "\n".join([head(len(names)), *parts, "</svg>", ""])


def spans_of(first: date, last: date) -> list[date]:
    """The first days of months, quarters or years from `first` to `last`: the shortest that give at most 24 bars."""
    months = (last.year - first.year) * 12 + last.month - first.month + 1
    step = next((step for step in STEPS if months // step < MOST_BARS), months // MOST_BARS + 1)
    start = first.year * 12 + (first.month - 1) // step * step
    return [date(month // 12, month % 12 + 1, 1) for month in range(start, last.year * 12 + last.month, step)]


def place(spans: Sequence[date], day: date) -> int:
    """The span that a day is in."""
    return sum(start <= day for start in spans) - 1


def name_of(row: CensusCount) -> str:
    """What a bar's colour stands for."""
    key = "no key of a room" if row.key_id is None else f"{row.key_id[:8]}/{row.version}"
    return f"{row.data_class or '-'}  {key}"


def head(names: int) -> str:
    """The sheet, and what it says."""
    height = TOP + HEIGHT + BELOW + LINE * names
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}"'
        f' font-family="sans-serif" font-size="11">\n<title>Bytes by age and key version</title>\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n'
        f'<text x="{LEFT}" y="18" font-size="13">bytes of messages by the last change of their files, and key version</text>'
    )


def frame(names: Sequence[str], most: int) -> list[str]:
    """The axes, and what each colour means."""
    ground = TOP + HEIGHT
    lines = [
        f'<line x1="{LEFT}" y1="{ground}" x2="{WIDTH - RIGHT}" y2="{ground}" stroke="#5f6b7a"/>',
        f'<text x="{LEFT - 6}" y="{TOP + 4}" text-anchor="end">{size(most)}</text>',
        f'<text x="{LEFT - 6}" y="{ground}" text-anchor="end">0</text>',
    ]
    for index, name in enumerate(names):
        y = ground + BELOW + LINE * index
        lines.append(f'<rect x="{LEFT}" y="{y - 9}" width="10" height="10" fill="{colour(index)}"/>')
        lines.append(f'<text x="{LEFT + 16}" y="{y}">{escape(name)}</text>')
    return lines


def bars(spans: Sequence[date], heights: Sequence[dict[str, int]], most: int) -> list[str]:
    """A bar for each span, the versions on top of each other."""
    wide = (WIDTH - LEFT - RIGHT) / max(len(spans), 1)
    lines = []
    for index, (start, height) in enumerate(zip(spans, heights, strict=True)):
        x, y = LEFT + index * wide, float(TOP + HEIGHT)
        for number, (name, amount) in enumerate(height.items()):
            tall = HEIGHT * amount / most if most else 0.0
            y -= tall
            if amount:
                lines.append(
                    f'<rect x="{x + wide * 0.1:.1f}" y="{y:.1f}" width="{wide * 0.8:.1f}" height="{tall:.1f}"'
                    f' fill="{colour(number)}"><title>{escape(name)}, from {start}: {size(amount)}</title></rect>'
                )
        if index % max(len(spans) // LABELS, 1) == 0:
            lines.append(f'<text x="{x:.1f}" y="{TOP + HEIGHT + 16}">{start:%Y-%m}</text>')
    return lines


def colour(index: int) -> str:
    """A colour of its own for the first eight."""
    return COLOURS[index % len(COLOURS)]


WIDTH, HEIGHT, LEFT, RIGHT, TOP, BELOW, LINE = 760, 260, 80, 20, 36, 40, 16
MOST_BARS, LABELS = 24, 8
STEPS = (1, 3, 12, 60)
COLOURS = ("#0b6e4f", "#c47f2c", "#8e5bb5", "#2f6fb0", "#b5485d", "#7a8b3a", "#5f6b7a", "#d1a93f")
