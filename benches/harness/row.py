"""What is measured: rows side by side in a group."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

Clock = Callable[[int], float]
"""Seconds that so many repetitions take."""


@dataclass(frozen=True, slots=True)
class Row:
    """One way to do the work of its group."""

    name: str
    kind: str
    """`limit`, `floor`, `strongroom` or `peer`."""
    clock: Clock
    scale: float = 1.0
    """The part of the group's work that one repetition does: slow peers are given less of it."""
    prepare: Callable[[], object] = lambda: None
    """Done before each sample, not timed: what other rows left in shared memory is made anew."""


@dataclass(frozen=True, slots=True)
class Group:
    """Ways to do the same work, sampled in turn, round by round."""

    id: str
    unit: str
    """`bytes`, `messages`, `files` or `reads`."""
    amount: float
    """How many of that unit one repetition does."""
    against: str
    """The row that the others are shown against."""
    rows: list[Row]
    rounds: int = 7
    once: bool = False
    """A repetition is long enough, or may not follow another at once: one a sample."""


class Unavailable(Exception):
    """A peer that is not installed here; the text says what would."""


def calls(job: Callable[[], object], before: Callable[[], object] | None = None) -> Clock:
    """Times a call; what comes `before` each repetition is not timed."""

    def clock(count: int) -> float:
        took = 0.0
        if before is None:
            start = time.perf_counter()
            for _ in range(count):
                job()
            return time.perf_counter() - start
        for _ in range(count):
            before()
            start = time.perf_counter()
            job()
            took += time.perf_counter() - start
        return took

    return clock


def clocked(job: Callable[[], float], before: Callable[[], object] | None = None) -> Clock:
    """Sums what a job says that it took."""

    def clock(count: int) -> float:
        took = 0.0
        for _ in range(count):
            if before is not None:
                before()
            took += job()
        return took

    return clock
