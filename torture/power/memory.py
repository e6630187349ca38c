"""What a workload has said, and so what a disk must hold that lost its power at some instant."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass
class Version:
    """A content of an output: when it was begun, and when it was acknowledged, if it was."""

    digest: str
    begun: float
    done: float | None = None


class Memory:
    """All versions of each output, in order."""

    def __init__(self) -> None:
        self.versions: dict[str, list[Version]] = defaultdict(list)

    def hear_all(self, lines: Iterable[str]) -> None:
        """Take all that a workload says until it is killed, perhaps within a line."""
        for line in lines:
            if line.endswith("\n"):
                self.hear(line)

    def hear(self, line: str) -> None:
        """Take one line of a workload."""
        said = json.loads(line)
        if "begun" in said:
            self.versions[said["name"]].append(Version(said["digest"], said["begun"]))
        else:
            self.versions[said["name"]][-1].done = said["done"]

    def must(self, name: str, before: float) -> Version | None:
        """The version of an output that was acknowledged last before an instant."""
        done = [version for version in self.versions[name] if version.done is not None and version.done < before]
        return done[-1] if done else None

    def may(self, name: str, before: float, after: float) -> set[str | None]:
        """What an output may hold, if the power failed between two instants. None: it may not be there."""
        versions = self.versions[name]
        must = self.must(name, before)
        since = versions.index(must) if must else 0
        contents: set[str | None] = {version.digest for version in versions[since:] if version.begun <= after}
        return contents if must else contents | {None}
