"""All programs one after the other, each in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

FULL: dict[str, tuple[str, ...]] = {
    "bugs": ("--all",),
    "concurrency": ("--seconds", "60", "--forks", "500", "--cancels", "400", "--interrupts", "100", "--rebuild"),
    "crash": ("--kills", "300"),
    "differential": ("--messages", "100000"),
    "drills": ("--drills", "100"),
    "fuzz": ("--parsers", "25000000", "--messages", "10000000", "--streams", "100000"),
    "hsm": ("--trips", "1000", "--calls", "1000000", "--seconds", "10"),
    "keystore": ("--edits", "2000", "--races", "200", "--kills", "500", "--outages", "3"),
    "mutants": ("--all",),
    "power": ("--images", "500"),
    "rewrites": ("--rewrites", "200", "--put-back", "50"),
    "room_files": ("--edits", "20000"),
    "secrets": (),
    "syscalls": ("--all",),
    "tamper": ("--entries", "10000", "--edits", "10000", "--every-byte"),
}
"""What a program is asked for at full scale, which takes hours; without it, it takes some seconds."""


def everything(programs: Iterable[str], folder: Path | None, *, full: bool) -> int:
    """Run each program; 1 if a promise was broken or a control was not found, else 0."""
    keep = ["--json", str(folder)] if folder else []
    broken = []
    for name in programs:
        command = [sys.executable, "-m", "torture", *keep, name, *(FULL[name] if full else ())]
        if subprocess.run(command, check=False).returncode:
            broken.append(name)
    print(f"broken: {', '.join(broken)}" if broken else "every promise held")
    return bool(broken)
