"""The memory of a process: what is mapped where, with which protections, and what stands in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Mapping:
    """One line of `smaps`."""

    start: int
    end: int
    access: str
    name: str
    flags: frozenset[str]
    locked_kib: int
    swapped_kib: int

    @property
    def is_locked_secret(self) -> bool:
        """Whether the kernel keeps it out of swap, out of dumps and out of children."""
        return {"lo", "dd", "wf"} <= self.flags

    def __str__(self) -> str:
        return f"{self.name or 'anonymous memory'} ({self.access}, {' '.join(sorted(self.flags))})"


def mappings(process: Path) -> list[Mapping]:
    """All mappings of a process, which is a folder under /proc."""
    return list(parsed((process / "smaps").read_text()))


def parsed(smaps: str) -> Iterator[Mapping]:
    """The mappings that an `smaps` file lists."""
    for block in re.split(r"^(?=[0-9a-f]+-[0-9a-f]+ )", smaps, flags=re.MULTILINE)[1:]:
        head, *rest = block.splitlines()
        place, access, _, _, _, *name = head.split(maxsplit=5)
        start, end = (int(part, 16) for part in place.split("-"))
        fields = dict(line.split(":", 1) for line in rest)
        flags = frozenset(fields["VmFlags"].split())
        yield Mapping(
            start, end, access, "".join(name), flags, kib(fields.get("Locked", "0")), kib(fields.get("Swap", "0"))
        )


def kib(field: str) -> int:
    """A number such as `  4 kB`."""
    return int(field.split()[0])
