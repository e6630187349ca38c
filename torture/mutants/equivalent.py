"""Changes that no test can notice, from `equivalent.toml`."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torture.mutants.runs import Mutant

FILE = Path(__file__).with_name("equivalent.toml")


@dataclass(frozen=True, kw_only=True)
class Equivalent:
    """One change, or several of one line that have the same reason."""

    file: str
    line: str
    """The line, without what it is indented by."""
    changes: tuple[str, ...]
    """Each as in "replace < with <="."""
    reason: str

    def explains(self, mutant: Mutant) -> bool:
        """Whether this is what was changed."""
        alike = (self.file, self.line) == (mutant.file, mutant.line)
        return alike and any(mutant.change.startswith(change) for change in self.changes)

    def __str__(self) -> str:
        return f"{self.file}, {self.line!r}"


@cache
def all_equivalent() -> tuple[Equivalent, ...]:
    """Every entry. Raises TypeError for one with a field too few or too many."""
    entries = tomllib.loads(FILE.read_text())["equivalent"]
    return tuple(Equivalent(changes=tuple(entry.pop("changes")), **entry) for entry in entries)
