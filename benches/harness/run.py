"""One run: which groups, how thoroughly, on what machine."""

from __future__ import annotations

import fnmatch
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from benches.harness.machine import facts, packages
from benches.harness.quiet import Watch
from benches.harness.report import Report
from benches.harness.sample import sample
from benches.harness.table import group_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benches.harness.row import Group


@dataclass(slots=True)
class Scope:
    """What a run asks of the groups."""

    only: tuple[str, ...] = ("*",)
    """Patterns of group names."""
    rounds: int = 7
    peers: frozenset[str] | None = None
    """Names of the peers' modules to measure; all if `None`."""
    folder: Path = Path("/dev/shm" if Path("/dev/shm").is_dir() else "/tmp")
    """A directory in memory, for files whose disk is not the point."""
    disk: Path = field(default_factory=Path.cwd)
    """A directory on a real file system, for what must be durable."""
    large: bool = False
    """Whether there is room and time for 8 GiB where 2 GiB do otherwise."""
    absent: dict[str, str] = field(default_factory=dict)
    """Peers that could not be measured, and why."""
    versions: dict[str, str] = field(default_factory=dict)
    """Of the peers that are programs, or otherwise on no list of packages."""

    def wants(self, group_id: str) -> bool:
        """Whether this group is asked for."""
        return any(fnmatch.fnmatchcase(group_id, pattern) for pattern in self.only)

    def wants_peer(self, name: str) -> bool:
        """Whether this peer is asked for."""
        return self.peers is None or name in self.peers


def run(sources: Iterable[Callable[[Scope], Iterator[Group]]], scope: Scope) -> Report:
    """Measures every group that the scope wants, and prints each as it is done."""
    scope.versions.update(packages())
    report = Report({**facts(), "peers": scope.versions}, [], scope.absent)
    watch = Watch()
    for groups in sources:
        for group in groups(scope):
            result = sample(group, watch, tell)
            report.groups.append(result)
            tell("")
            for line in group_lines(result):
                print(line, flush=True)
    return report


def tell(line: str) -> None:
    """One line that the next overwrites, for people only."""
    if sys.stderr.isatty():
        print(f"\r\033[K{line}", end="", file=sys.stderr, flush=True)
