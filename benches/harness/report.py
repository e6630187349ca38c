"""What was measured, as data: everything that is printed, drawn or judged is computed from this."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path
    from typing import Any


@dataclass(slots=True)
class RowResult:
    """The samples of a row, in the order of the rounds."""

    name: str
    kind: str
    seconds: list[float]
    noisy: int
    """Samples that were taken while the machine was busy with others."""

    @property
    def median(self) -> float:
        """Seconds."""
        return statistics.median(self.seconds)

    def fastest(self) -> RowResult:
        """With the fastest sample alone."""
        return replace(self, seconds=[min(self.seconds)])


@dataclass(slots=True)
class GroupResult:
    """The rows of a group."""

    id: str
    unit: str
    amount: float
    against: str
    rows: list[RowResult]

    def row(self, name: str) -> RowResult:
        """The row of that name; `KeyError` without one."""
        return next((row for row in self.rows if row.name == name), None) or self._missing(name)

    def _missing(self, name: str) -> RowResult:
        raise KeyError(f"{self.id} has no row {name!r}")

    def fastest(self) -> GroupResult:
        """With the fastest sample of each row."""
        return replace(self, rows=[row.fastest() for row in self.rows])

    def speed(self, name: str) -> float:
        """Units a second, by the median."""
        return self.amount / self.row(name).median

    def ratio(self, name: str, against: str | None = None) -> Spread:
        """How many times as fast as another row, round by round."""
        ours, theirs = self.row(name).seconds, self.row(against or self.against).seconds
        return Spread.of(other / own for own, other in zip(ours, theirs, strict=True))


@dataclass(frozen=True, slots=True)
class Spread:
    """A median, and the quartiles around it."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """From at least one value."""
        ordered = sorted(values)
        if len(ordered) < 2:
            return cls(ordered[0], ordered[0], ordered[0])
        low, middle, high = statistics.quantiles(ordered, n=4, method="inclusive")
        return cls(middle, low, high)


@dataclass(slots=True)
class Report:
    """One run."""

    machine: dict[str, Any]
    groups: list[GroupResult]
    absent: dict[str, str]
    """Peers that were not measured, and why."""

    def group(self, group_id: str) -> GroupResult | None:
        """The group of that name, if it was measured."""
        return next((group for group in self.groups if group.id == group_id), None)

    def fastest(self) -> Report:
        """With the fastest sample of each row."""
        return replace(self, groups=[group.fastest() for group in self.groups])

    def save(self, path: Path) -> None:
        """As JSON, with every sample."""
        path.write_text(json.dumps(asdict(self), indent=1, ensure_ascii=False) + "\n")

    def after(self, path: Path) -> Report:
        """With the groups that an earlier run left in this file and that this one did not measure again."""
        if not path.exists():
            return self
        earlier = Report.load(path)
        ours = {group.id for group in self.groups}
        groups = [*(group for group in earlier.groups if group.id not in ours), *self.groups]
        peers = earlier.machine.get("peers", {}) | self.machine.get("peers", {})
        return Report({**self.machine, "peers": peers}, groups, earlier.absent | self.absent)

    @classmethod
    def load(cls, path: Path) -> Report:
        """What `save` wrote."""
        data = json.loads(path.read_text())
        groups = [
            GroupResult(**{**group, "rows": [RowResult(**row) for row in group["rows"]]}) for group in data["groups"]
        ]
        return cls(data["machine"], groups, data["absent"])
