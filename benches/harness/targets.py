"""The ratios that we promise, read from TARGETS.toml and judged against a report."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benches.harness.report import Spread

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from benches.harness.report import GroupResult, Report

PATH = Path(__file__).parent.parent / "TARGETS.toml"


@dataclass(frozen=True, slots=True)
class Target:
    """A row is at least so many times as fast as another of its group."""

    group: str
    row: str
    against: str
    at_least: float
    reason: str
    gate: bool = False
    """Checked at every change; the others in full runs."""
    base: str | None = None
    """With `against_base`: what is compared is the gain over this row, and over that one; over that one both times if this
    row is the faster, as what was gained before is no loss."""
    against_base: str | None = None
    huge_pages: bool | None = None
    """Holds only where a process may, or may not, have huge pages."""
    peer: str | None = None
    """The peer's module that the other row needs."""

    @property
    def name(self) -> str:
        """What is promised, in a line."""
        gain = " gain" if self.base else ""
        return f"{self.group}: {self.row}{gain} ≥ {self.at_least:g} × {self.against}{gain}"

    def applies(self, report: Report) -> bool:
        """Whether the machine of the report is one that this is promised for."""
        return self.huge_pages is None or self.huge_pages == (report.machine["huge_pages"] in {"always", "madvise"})

    def measured(self, group: GroupResult) -> Spread:
        """The ratio that was seen."""
        ratio = group.ratio(self.row, self.against)
        if self.base is None or self.against_base is None:
            return ratio
        return Spread.of(
            (max(ours_base, theirs_base) / ours) / (theirs_base / theirs)
            for ours_base, ours, theirs_base, theirs in zip(
                *(group.row(name).seconds for name in (self.base, self.row, self.against_base, self.against)),
                strict=True,
            )
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target, and what was seen; `None` if its group or its peer was not measured."""

    target: Target
    seen: Spread | None

    @property
    def met(self) -> bool:
        """Whether it holds."""
        return self.seen is not None and self.seen.median >= self.target.at_least


def load(path: Path = PATH) -> list[Target]:
    """Every target of the file."""
    return [Target(**entry) for entry in tomllib.loads(path.read_text())["target"]]


def judge(targets: Iterable[Target], report: Report) -> Iterator[Verdict]:
    """A verdict for each target that is promised for this machine."""
    for target in targets:
        group = None if target.peer in report.absent else report.group(target.group)
        if target.applies(report):
            yield Verdict(target, target.measured(group) if group else None)
