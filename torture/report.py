"""What a program tried, and what came of it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass
class Report:
    """The outcome of one program: a promise holds if nothing was found and the control was."""

    program: str
    promise: str
    tried: dict[str, int] = field(default_factory=dict)
    found: list[str] = field(default_factory=list)
    controls: dict[str, bool] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    at: str = field(default_factory=lambda: datetime.now(UTC).date().isoformat())

    @property
    def held(self) -> bool:
        """Whether the promise held: nothing broke it, and every control shows that a break would have been seen."""
        return not self.found and bool(self.tried) and all(self.controls.values())

    def count(self, kind: str, times: int = 1) -> None:
        """Add `times` attempts of a kind."""
        self.tried[kind] = self.tried.get(kind, 0) + times

    def lines(self) -> list[str]:
        """The outcome, for people."""
        tried = ", ".join(f"{number:,} {kind}" for kind, number in self.tried.items())
        return [
            f"{'held  ' if self.held else 'BROKEN'} {self.program}: {self.promise}",
            f"       tried: {tried or 'nothing'} ({self.seconds:.0f} s)",
            *(f"       control {'found' if seen else 'NOT FOUND'}: {name}" for name, seen in self.controls.items()),
            *(f"       {note}" for note in self.notes),
            *(f"       FOUND {line}" for line in self.found),
        ]

    def save(self, folder: Path) -> None:
        """Write the outcome into `folder` as PROGRAM.json."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{self.program}.json").write_text(json.dumps(asdict(self), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Report:
        """An outcome that was saved."""
        return cls(**json.loads(path.read_text()))
