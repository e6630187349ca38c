"""Measures in interleaved rounds: what else runs on the machine then slows all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

Measure = Callable[[], float]
"""Does its work once and gives the seconds of it."""

Show = Callable[[str], None]
"""Is told now and then what is being measured."""


def interleaved(
    measures: Mapping[str, Measure], seconds: float, show: Callable[[], None]
) -> dict[str, tuple[float, ...]]:
    """Run all measures in turn, for about so long and at least three times; the seconds of each, by round.

    A first round warms up and does not count. The order is reversed every time, so that no measure always profits from
    the one before it.
    """
    end = time.perf_counter() + seconds
    names = list(measures)
    times: dict[str, list[float]] = {name: [] for name in names}
    for name in names:
        measures[name]()
        show()
    rounds, longest = 0, 0.0
    while rounds < FEWEST or (rounds < MOST and time.perf_counter() + longest < end):
        start = time.perf_counter()
        for name in names:
            times[name].append(measures[name]())
            show()
        names.reverse()
        rounds, longest = rounds + 1, max(longest, time.perf_counter() - start)
    return {name: tuple(times[name]) for name in measures}


def timed(work: Callable[[], object], *, repeat: int = 1, before: Callable[[], object] | None = None) -> Measure:
    """Make a measure of a call: the seconds of one of `repeat` calls. `before` each of them is not timed.

    Where calls are repeated, one that is not timed comes first and brings their data back into the cache.
    """

    def measure() -> float:
        taken = 0.0
        for call in range(repeat if repeat == 1 else repeat + 1):
            if before is not None:
                before()
            start = time.perf_counter()
            work()
            if repeat == 1 or call > 0:
                taken += time.perf_counter() - start
        return taken / repeat

    return measure


FEWEST = 3
MOST = 40
