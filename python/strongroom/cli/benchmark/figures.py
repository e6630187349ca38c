"""The nouns of a benchmark: a row, its spread, and what bounds it."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from strongroom.cli.words import size

Times = Mapping[str, Sequence[float]]
"""Seconds of each measure, one for each round; the rounds of one mapping are interleaved."""

Unit = Literal["bytes", "messages", "reads", "files"]


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of several rounds and the quartiles around it."""

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Summarise at least one value."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0])
        low, median, high = statistics.quantiles(values, n=4, method="inclusive")
        return cls(low, median, high)

    @property
    def width(self) -> float:
        """How far apart the quartiles are, as a share of the median."""
        return (self.high - self.low) / self.median if self.median else 0.0


@dataclass(frozen=True, slots=True)
class Bound:
    """What bounds a row: a word or two for the table, a sentence with the figures it rests on, and what to change.

    `change` is None where nothing that a user could do is known to help.
    """

    cause: str
    sentence: str
    change: str | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that was measured: `amount` of `unit` took `seconds`, and at its limit `limit`, round by round."""

    group: str
    name: str
    unit: Unit
    amount: int
    workers: int
    seconds: tuple[float, ...]
    limit: tuple[float, ...]
    bound: Bound

    @property
    def rate(self) -> float:
        """How much of the unit a second."""
        return self.amount / statistics.median(self.seconds)

    @property
    def ratio(self) -> Spread:
        """The share of the limit that is reached, each round against its own limit."""
        return ratio(self.limit, self.seconds)


@dataclass(frozen=True, slots=True)
class Reference:
    """Something measured beside the rows of a group, to read them by."""

    group: str
    name: str
    unit: Unit
    amount: int
    workers: int
    seconds: tuple[float, ...]

    @property
    def rate(self) -> float:
        """How much of the unit a second."""
        return self.amount / statistics.median(self.seconds)


def ratio(limit: Sequence[float], seconds: Sequence[float]) -> Spread:
    """Compare two measures round by round."""
    return Spread.of([least / taken for least, taken in zip(limit, seconds, strict=True)])


def total(times: Times, *names: str) -> tuple[float, ...]:
    """Add measures up, round by round."""
    return tuple(map(sum, zip(*(times[name] for name in names), strict=True)))


def median(seconds: Sequence[float]) -> float:
    """The middle one."""
    return statistics.median(seconds)


def whole(length: int) -> str:
    """`8 MiB` rather than `8.0 MiB`."""
    return size(length).replace(".0 ", " ")


def power_of_two(length: int) -> int:
    """Round down to a power of two."""
    return 1 << (length.bit_length() - 1) if length > 0 else 0
