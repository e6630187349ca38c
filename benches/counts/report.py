"""Tables and explanations for whoever runs the counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from benches.counts.callgrind import readable
from benches.counts.count import COLUMNS, SCENARIOS
from benches.counts.recorded import TARGETS, number, rustc

if TYPE_CHECKING:
    from benches.counts.count import Count
    from benches.counts.recorded import Miss


def table(counts: dict[str, Count], misses: list[Miss]) -> str:
    """Every count, with the one written down beside it where it differs."""
    missed = {(miss.scenario, miss.what): miss for miss in misses}
    lines = [f"{'scenario':20}" + "".join(f"{what:>18}" for what in COLUMNS) + "  of"]
    for name, found in counts.items():
        cells = [number(getattr(found, what)) for what in COLUMNS]
        for index, what in enumerate(COLUMNS):
            if miss := missed.get((name, what)):
                cells[index] += f" (not {number(miss.expected)})"
        lines.append(f"{name:20}" + "".join(f"{cell:>18}" for cell in cells) + f"  {SCENARIOS[name]}")
    return "\n".join(lines)


def explanation(targets: dict[str, Any], counts: dict[str, Count], misses: list[Miss]) -> str:
    """What was missed, where the instructions are, and what to do."""
    lines = ["", *(f"MISS {miss}" for miss in misses)]
    for name in dict.fromkeys(miss.scenario for miss in misses):
        lines.append(f"\n{name}: instructions of our functions, and calls out of them")
        lines += [f"{number(n):>12}  {readable(symbol)}" for symbol, n in list(counts[name].functions.items())[:8]]
        lines += [f"{number(n):>12}  → {callee}" for callee, n in counts[name].callees.items()]
    recorded, here = targets["counts"]["compiler"], rustc()["release"]
    if recorded != here:
        lines.append(
            f"\nThe counts were written down with Rust {recorded}, and this is {here}. Where code that did not change differs "
            "as well, it is the compiler: run with --update on that code, and commit it apart from any change."
        )
    lines.append(
        f"\nIf the change is meant, and worth it, write it down: python -m benches.counts --update ({TARGETS.name} then shows "
        "it in review). --json FILE before and after tells function by function."
    )
    return "\n".join(lines)
