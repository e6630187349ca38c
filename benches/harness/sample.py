"""Takes the samples of a group: all rows in turn, several rounds, on a machine that is quiet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.harness.quiet import FOREIGN, Watch, foreign, usage
from benches.harness.report import GroupResult, RowResult

if TYPE_CHECKING:
    from collections.abc import Callable

    from benches.harness.row import Group, Row

SHORTEST = 0.03
"""Seconds that a sample lasts at least, if it may be repeated."""
TRIES = 4


def sample(group: Group, watch: Watch, tell: Callable[[str], None] = lambda _: None) -> GroupResult:
    """Measures a group. Rows take turns, so that what changes with time changes for all of them."""
    counts = {row.name: 1 if group.once else repetitions(row) for row in group.rows}
    results = {row.name: RowResult(row.name, row.kind, [], 0) for row in group.rows}
    for number in range(group.rounds):
        tell(f"{group.id}, round {number + 1} of {group.rounds}")
        for row in group.rows:
            seconds, noisy = one(row, counts[row.name], watch)
            results[row.name].seconds.append(seconds)
            results[row.name].noisy += noisy
    return GroupResult(group.id, group.unit, group.amount, group.against, list(results.values()))


def one(row: Row, count: int, watch: Watch) -> tuple[float, bool]:
    """Seconds of the whole work, and whether the machine was busy with others each time that we tried."""
    tried = []
    for _ in range(TRIES):
        row.prepare()
        watch.wait()
        start = usage()
        took = row.clock(count) / count / row.scale
        busy = foreign(start, usage()) > FOREIGN or watch.disturbed()
        if not busy:
            return took, False
        tried.append(took)
    return min(tried), True


def repetitions(row: Row) -> int:
    """So many that a sample is long beside the clock and the quiet check. Warms the row up as well."""
    row.prepare()
    count = 1
    while row.clock(count) < SHORTEST:
        count *= 2
    return count
