"""The directory that files are measured in: which file system it is on, and how large a file it can hold three times."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from strongroom.cli.machine import read

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Place:
    """Where files are measured. `free` counts bytes; files in memory share them with everything else."""

    directory: str
    filesystem: str
    device: str
    free: int

    @property
    def in_memory(self) -> bool:
        """Whether nothing there ever reaches a disk."""
        return self.filesystem in {"tmpfs", "ramfs"}


@contextmanager
def scratch(directory: str | None) -> Iterator[tuple[Path, Place]]:
    """Make a directory of our own in `directory`, or where temporary files go; it is removed however this ends."""
    parent = Path(directory or tempfile.gettempdir())
    with tempfile.TemporaryDirectory(prefix="strongroom-bench-", dir=parent) as folder:
        yield Path(folder), look_at(parent)


def look_at(directory: Path) -> Place:
    """Find out about a directory."""
    status = os.statvfs(directory)
    filesystem, device = mount_of(os.path.realpath(directory), read(Path("/proc/self/mountinfo")))
    return Place(os.fspath(directory), filesystem, device, status.f_bavail * status.f_frsize)


def mount_of(path: str, mountinfo: str) -> tuple[str, str]:
    """Find the type and the device of the file system that `path` is on; of mounts over each other the last one."""
    best, found = -1, ("unknown", "unknown")
    for line in mountinfo.splitlines():
        left, _, right = line.partition(" - ")
        if len(left.split()) < 5 or len(right.split()) < 2:
            continue
        point = unescaped(left.split()[4])
        beneath = path == point or path.startswith(point.rstrip("/") + "/")
        if beneath and len(point) >= best:
            best, found = len(point), (right.split()[0], unescaped(right.split()[1]))
    return found


def unescaped(field: str) -> str:
    """Read a field of mountinfo, where spaces are octal."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), field)


def usable(place: Place, memory_available: int) -> int:
    """Say how much may be written there: what is free, and in memory no more than half of what is available."""
    return min(place.free, memory_available // 2) if place.in_memory else place.free


def largest_file(space: int) -> int:
    """Say how large a file may be: a source, a message and a result must fit, with some space to spare. Whole MiB."""
    return int(space * 0.9) // COPIES // MIB * MIB


COPIES = 3
