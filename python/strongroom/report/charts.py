"""Where the bars of a chart stand. The page draws them as SVG, so that every text in it is escaped in one place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from strongroom.report.activity import Timeline


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle, and what it stands for."""

    x: float
    y: float
    width: float
    height: float
    colour: str
    title: str


@dataclass(frozen=True, slots=True)
class Label:
    """A text at a place."""

    x: float
    y: float
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """A chart of stacked bars. `key` says what the colours mean, `lines` are where the grid runs."""

    title: str
    width: float
    height: float
    ground: float
    left: float
    bars: tuple[Bar, ...]
    lines: tuple[Label, ...]
    ticks: tuple[Label, ...]
    key: tuple[tuple[str, str], ...]


def over_time(title: str, timeline: Timeline, colours: Mapping[str, str] | None = None) -> Chart:
    """A bar for each span of a timeline, in a colour for each series, the largest at the bottom."""
    series = largest(timeline.series)
    palette = [(colours or {}).get(name, COLOURS[index]) for index, name in enumerate(series)]
    spans = len(timeline.starts)
    most = max((sum(counts[at] for counts in series.values()) for at in range(spans)), default=0)
    top = rounded_up(most)
    return Chart(
        title=title,
        width=WIDTH,
        height=HEIGHT,
        ground=GROUND,
        left=LEFT,
        bars=tuple(bars(timeline, series, palette, top)),
        lines=tuple(Label(LEFT, GROUND - TALL * part / 2, f"{top * part // 2:,}") for part in (0, 1, 2)),
        ticks=tuple(ticks(timeline)),
        key=tuple(zip(series, palette, strict=True)),
    )


def bars(timeline: Timeline, series: Mapping[str, Sequence[int]], palette: Sequence[str], top: int) -> Iterator[Bar]:
    """The bars, from left to right and from the ground up."""
    wide = (WIDTH - LEFT - RIGHT) / len(timeline.starts)
    for at, start in enumerate(timeline.starts):
        y = GROUND
        for (name, counts), colour in zip(series.items(), palette, strict=True):
            tall = TALL * counts[at] / top
            y -= tall
            if counts[at]:
                said = f"{name}, from {spelled(start, timeline.step)}: {counts[at]:,}"
                yield Bar(LEFT + at * wide + wide * GAP / 2, y, wide * (1 - GAP), tall, colour, said)


def ticks(timeline: Timeline) -> Iterator[Label]:
    """The beginnings of some spans."""
    wide = (WIDTH - LEFT - RIGHT) / len(timeline.starts)
    every = -(-len(timeline.starts) // TICKS)
    for at in range(0, len(timeline.starts), every):
        yield Label(LEFT + at * wide, GROUND + 16, spelled(timeline.starts[at], timeline.step))


def largest(series: Mapping[str, Sequence[int]]) -> dict[str, list[int]]:
    """The series with most in them, and the others together."""
    ranked = sorted(series.items(), key=lambda item: (-sum(item[1]), item[0]))
    shown = {name: list(counts) for name, counts in ranked[:MOST_SERIES]}
    rest = [counts for _, counts in ranked[MOST_SERIES:]]
    if rest:
        shown[f"{len(rest):,} others"] = [sum(column) for column in zip(*rest, strict=True)]
    return shown


def rounded_up(most: int) -> int:
    """The end of the scale: even, with one digit or two that are not zero."""
    power: int = 10 ** (len(str(most)) - 1)
    return next(power * step for step in (2, 4, 6, 8, 10) if power * step >= most)


def spelled(start: datetime, step: timedelta) -> str:
    """The beginning of a span, as precise as the span is long."""
    return f"{start:%m-%d %H:%M}" if step < timedelta(days=1) else f"{start:%Y-%m-%d}"


WIDTH, HEIGHT, LEFT, RIGHT, GROUND, TALL = 720.0, 190.0, 52.0, 8.0, 162.0, 146.0
GAP, TICKS, MOST_SERIES = 0.22, 7, 7
# told apart by people who see fewer colours, and in grey
COLOURS = ("#2f6fb0", "#c47f2c", "#0b6e4f", "#8e5bb5", "#b5485d", "#7a8b3a", "#5f6b7a", "#a7afb8")
