"""Disks of which an instant can be kept, as if the power had failed at it.

An image on a file system with reflinks is mounted through a loop device. A clone of the image is atomic: it holds what had
reached the disk, and nothing that only the page cache of the inner file system knew.

    a folder in memory ─► outer image, XFS ─► disk.img, ext4 or XFS ─► where the work is done
                                          └─► clone-1.img, clone-2.img, …
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def why_not() -> str | None:
    """Why disks cannot be made here, None if they can."""
    if os.geteuid() != 0:
        return "mounting takes root"
    for program in ("mkfs.xfs", "mkfs.ext4", "mount", "umount", "losetup", "strace"):
        if shutil.which(program) is None:
            return f"there is no {program}"
    if subprocess.run(["losetup", "--find"], capture_output=True, check=False).returncode != 0:
        return "there is no loop device"
    return None


@dataclass(frozen=True)
class Disk:
    """A mounted file system that can be cloned."""

    kind: str
    outer: Path
    inner: Path
    cloned: Path

    def clone(self, number: int) -> Path:
        """Keep this instant of the disk."""
        clone = self.outer / f"clone-{number}.img"
        with (self.outer / IMAGE).open("rb") as source, clone.open("wb") as target:
            fcntl.ioctl(target.fileno(), FICLONE, source.fileno())
        return clone

    @contextmanager
    def after_power_loss(self, clone: Path) -> Iterator[Path]:
        """Mount a clone, which replays its journal; it is gone afterwards."""
        with mounted(clone, self.cloned, CLONED[self.kind]):
            yield self.cloned
        clone.unlink()


@contextmanager
def new_disk(folder: Path, kind: str) -> Iterator[Disk]:
    """A disk with an `ext4` or `xfs` file system, in a folder that ought to be in memory."""
    outer, inner, cloned = (folder / name for name in ("outer", "inner", "cloned"))
    for path in (outer, inner, cloned):
        path.mkdir()
    make_image(folder / "outer.img", OUTER_BYTES, ["mkfs.xfs", "-q", "-m", "reflink=1"])
    with mounted(folder / "outer.img", outer, "loop"):
        make_image(outer / IMAGE, INNER_BYTES, MAKING[kind])
        with mounted(outer / IMAGE, inner, MOUNTED[kind]):
            yield Disk(kind, outer, inner, cloned)


def make_image(path: Path, size: int, making: list[str]) -> None:
    """A sparse file with a file system in it."""
    with path.open("wb") as file:
        file.truncate(size)
    subprocess.run([*making, str(path)], check=True, capture_output=True)


@contextmanager
def mounted(image: Path, place: Path, options: str) -> Iterator[None]:
    """Mount an image through a loop device."""
    subprocess.run(["mount", "-o", options, str(image), str(place)], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", str(place)], check=True, capture_output=True)


IMAGE = "disk.img"
OUTER_BYTES = 8 << 30
INNER_BYTES = 512 << 20
MAKING = {"ext4": ["mkfs.ext4", "-q", "-F"], "xfs": ["mkfs.xfs", "-q", "-f"]}
# metadata as soon, and data as late, as the file system can: what orders them is the program's fsync and nothing else
MOUNTED = {"ext4": "loop,noauto_da_alloc,commit=1", "xfs": "loop"}
CLONED = {"ext4": "loop,noauto_da_alloc", "xfs": "loop,nouuid"}
KINDS = tuple(MAKING)
FICLONE = 0x40049409
