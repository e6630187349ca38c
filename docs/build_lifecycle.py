"""Writes docs/concepts/lifecycle.svg from the table of edges. A test compares the picture with what this makes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from strongroom.keys import EDGES, Asker, Edge
from strongroom.model import KeyState

PICTURE = Path(__file__).parent / "concepts" / "lifecycle.svg"

WIDTH, HEIGHT = 1090, 510
BOX_WIDTH, BOX_HEIGHT = 176, 44
PLACES = {
    KeyState.PRE_ACTIVE: (126, 80),
    KeyState.ACTIVE: (404, 80),
    KeyState.DEACTIVATED: (684, 80),
    KeyState.DESTROY_SCHEDULED: (966, 80),
    KeyState.SUSPENDED: (404, 230),
    KeyState.COMPROMISED: (684, 360),
    KeyState.DESTROYED: (966, 360),
}
# what may decrypt, what may only be moved away from, what may nothing
COLOURS = {
    KeyState.ACTIVE: "#d5efd9",
    KeyState.DEACTIVATED: "#e4efd0",
    KeyState.COMPROMISED: "#f7d9d3",
    KeyState.DESTROYED: "#d9d9de",
}
# arrows that would run over others: from where to where, relative to the middle of the boxes
DETOURS: dict[tuple[KeyState, KeyState], list[tuple[int, int]]] = {
    (KeyState.PRE_ACTIVE, KeyState.DESTROYED): [(-40, 22), (-40, 360), (840, 360), (840, 302)],
    (KeyState.PRE_ACTIVE, KeyState.COMPROMISED): [(20, 22), (20, 284), (470, 284)],
    (KeyState.DESTROYED, KeyState.DESTROYED): [(88, -10), (110, -10), (110, 10), (88, 10)],
}
# words that would stand on a box or on another arrow, moved from the middle of theirs
MOVED = {
    (None, KeyState.PRE_ACTIVE): (14, -32),
    (KeyState.PRE_ACTIVE, KeyState.DESTROYED): (-300, -6),
    (KeyState.PRE_ACTIVE, KeyState.COMPROMISED): (174, 130),
    (KeyState.DESTROYED, KeyState.DESTROYED): (-44, 42),
    (KeyState.ACTIVE, KeyState.SUSPENDED): (-44, 0),
    (KeyState.SUSPENDED, KeyState.ACTIVE): (42, 14),
    (KeyState.ACTIVE, KeyState.COMPROMISED): (34, 12),
    (KeyState.DEACTIVATED, KeyState.COMPROMISED): (0, -34),
    (KeyState.DEACTIVATED, KeyState.DESTROY_SCHEDULED): (0, 16),
    (KeyState.DESTROY_SCHEDULED, KeyState.DEACTIVATED): (0, -6),
    (KeyState.COMPROMISED, KeyState.DESTROY_SCHEDULED): (18, 34),
    (KeyState.DESTROY_SCHEDULED, KeyState.COMPROMISED): (-32, -72),
    (KeyState.DESTROY_SCHEDULED, KeyState.DESTROYED): (36, 0),
}


def build() -> str:
    """Make the picture."""
    drawn: dict[tuple[KeyState | None, KeyState], list[Edge]] = {}
    for edge in EDGES:
        drawn.setdefault((edge.source, edge.target), []).append(edge)
    arrows = [arrow(source, target, edges) for (source, target), edges in drawn.items()]
    boxes = [line for state in KeyState for line in box(state)]
    return "\n".join([*HEAD, *arrows, *boxes, *legend(), "</svg>", ""])


def arrow(source: KeyState | None, target: KeyState, edges: list[Edge]) -> str:
    """Draw the arrow of the edges between two states, with their numbers and the word of the command."""
    points, label_at = way(source, target)
    by_time = all(Asker.CLOCK in edge.asked_by for edge in edges)
    numbers = ", ".join(str(number) for number in dict.fromkeys(edge.number for edge in edges))
    words = " or ".join(dict.fromkeys(word(edge) for edge in edges))
    path = " ".join(f"{'M' if index == 0 else 'L'}{x:.0f} {y:.0f}" for index, (x, y) in enumerate(points))
    dashes = ' stroke-dasharray="7 4"' if by_time else ""
    x, y = label_at
    return (
        f'<path d="{path}" class="arrow" marker-end="url(#tip)"{dashes}/>\n'
        f'<text x="{x:.0f}" y="{y:.0f}" class="word"><tspan class="number">{numbers}</tspan> {words}</text>'
    )


def word(edge: Edge) -> str:
    """Name the command, or what happens without one."""
    return "time" if edge.asked_by == {Asker.CLOCK} else str(edge.move)


def way(source: KeyState | None, target: KeyState) -> tuple[list[tuple[float, float]], tuple[float, float]]:
    """Find the points of an arrow and the place of its words."""
    points = corners(source, target)
    middle = len(points) // 2
    (x0, y0), (x1, y1) = points[middle - 1 : middle + 1]
    across, down = MOVED.get((source, target), (0, -6))
    return points, ((x0 + x1) / 2 + across, (y0 + y1) / 2 + down)


def corners(source: KeyState | None, target: KeyState) -> list[tuple[float, float]]:
    """Find the points of an arrow."""
    x, y = PLACES[target]
    if source is None:
        return [(8, y), (x - BOX_WIDTH / 2, y)]
    if (source, target) in DETOURS:
        x, y = PLACES[source]
        return [(x + across, y + down) for across, down in DETOURS[source, target]]
    return list(straight(PLACES[source], PLACES[target]))


def straight(start: tuple[int, int], end: tuple[int, int]) -> tuple[tuple[float, float], tuple[float, float]]:
    """Find both ends of a line between two boxes, moved to its right so that the way back has a line of its own."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = (dx * dx + dy * dy) ** 0.5
    aside = (-dy / length * LANE, dx / length * LANE)
    leave, enter = inside(dx, dy, aside), 1 - inside(-dx, -dy, aside)
    x, y = start[0] + aside[0], start[1] + aside[1]
    return (x + dx * leave, y + dy * leave), (x + dx * enter, y + dy * enter)


def inside(dx: float, dy: float, aside: tuple[float, float]) -> float:
    """Find which part of a way lies inside the box whose middle, but for a step aside, it begins at."""
    ways = []
    for distance, off, half in ((dx, aside[0], BOX_WIDTH / 2), (dy, aside[1], BOX_HEIGHT / 2)):
        if distance:
            ways.append((half - off if distance > 0 else half + off) / abs(distance))
    return min(ways)


def box(state: KeyState) -> Iterator[str]:
    """Draw a state."""
    x, y = PLACES[state]
    fill = COLOURS.get(state, "#f1f1f4")
    yield (
        f'<rect x="{x - BOX_WIDTH / 2:.0f}" y="{y - BOX_HEIGHT / 2:.0f}" width="{BOX_WIDTH}" height="{BOX_HEIGHT}"'
        f' rx="7" fill="{fill}" class="box"/>'
    )
    yield f'<text x="{x}" y="{y + 5}" class="state">{state}</text>'


def legend() -> Iterator[str]:
    """Say what numbers, dashes and colours mean."""
    for row, line in enumerate(LEGEND):
        yield f'<text x="24" y="{HEIGHT - 38 + 20 * row}" class="legend">{line}</text>'


LANE = 7
LEGEND = (
    "Numbers up to 15 are those of NIST SP 800-57; 21 and up are ours. Dashed: time brings it too, or alone.",
    "Green decrypts; red can only be re-encrypted from; grey does nothing. Only one ACTIVE version, the primary, encrypts.",
)
HEAD = (
    (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        ' aria-label="The lifecycle of a key version">'
    ),
    "<style>",
    "text { font: 13px system-ui, 'DejaVu Sans', sans-serif; fill: #222; text-anchor: middle }",
    ".state { font-weight: 600 }",
    ".word { paint-order: stroke; stroke: #fff; stroke-width: 4px }",
    ".number { font-weight: 600 }",
    ".legend { text-anchor: start; fill: #444 }",
    ".arrow { fill: none; stroke: #667; stroke-width: 1.4 }",
    ".box { stroke: #556; stroke-width: 1.2 }",
    "</style>",
    (
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" orient="auto">'
        '<path d="M0 0 L8 4 L0 8 z" fill="#667"/></marker></defs>'
    ),
    f'<rect width="{WIDTH}" height="{HEIGHT}" rx="10" fill="#fff"/>',
)

if __name__ == "__main__":
    PICTURE.write_text(build())
