"""What is written down in `TARGETS.toml`, and what differs from it."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from typing import Any

from benches.counts.count import COLUMNS, ROOT, SCENARIOS, CannotCount, Count


@dataclass(frozen=True)
class Miss:
    """A count that is not the one written down."""

    scenario: str
    what: str
    expected: float
    found: float

    def __str__(self) -> str:
        change = f" ({self.found / self.expected - 1:+.1%})" if self.expected else ""
        return f"{self.scenario}: {number(self.found)} {self.what}, not {number(self.expected)}{change}"


def compare(targets: dict[str, Any], counts: dict[str, Count]) -> list[Miss]:
    """What differs, up or down: a gain that is not written down would hide the next loss."""
    wanted = targets["counts"]
    if wanted["target"] != rustc()["host"]:
        raise CannotCount(
            f"the counts in {TARGETS.name} are those of {wanted['target']}, and this is {rustc()['host']}"
        )
    return [
        Miss(name, what, expected, getattr(found, what))
        for name, found in counts.items()
        for what in COLUMNS
        if getattr(found, what) != (expected := wanted["of"].get(name, {}).get(what, 0))
    ]


def updated(text: str, counts: dict[str, Count]) -> str:
    """The text of the targets with these counts in the place of those it had."""
    lines = [
        "[counts]",
        f"reason = {json.dumps(REASON)}",
        f'compiler = "{rustc()["release"]}"',
        f'target = "{rustc()["host"]}"',
    ]
    for name, found in counts.items():
        lines += ["", f"[counts.of.{name}] # {SCENARIOS[name]}"]
        lines += [f"{what} = {number(getattr(found, what))}" for what in COLUMNS]
    others = without_counts(text)
    return (f"{others}\n\n" if others else "") + "\n".join(lines) + "\n"


def without_counts(text: str) -> str:
    """The other sections, with the comments above them."""
    return OURS.sub("", text).rstrip()


def number(n: float) -> str:
    """All of its digits; a path that does not do the same each time has eighths."""
    return f"{n:.3f}".rstrip("0").rstrip(".")


def rustc() -> dict[str, str]:
    """What the compiler says of itself."""
    said = subprocess.run(["rustc", "-vV"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return dict(line.split(": ", 1) for line in said.splitlines() if ": " in line)


TARGETS = ROOT / "benches" / "TARGETS.toml"
REASON = "our own code for each frame and message, exactly: a loss shows here before it shows in time"
# up to the next section of others, and the comment lines right above it
OURS = re.compile(r"^\[counts[].].*?(?=^(?:#[^\n]*\n)*\[(?!counts[].])|\Z)", re.DOTALL | re.MULTILINE)
