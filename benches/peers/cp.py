"""cp, which encrypts nothing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from benches.peers.file import FilePeer

if TYPE_CHECKING:
    from pathlib import Path


def peer(_folder: Path) -> FilePeer:
    """Into the page cache."""
    return FilePeer("cp", copy, copy)


def durable(_folder: Path) -> FilePeer:
    """On to the disk, as our files are."""

    def work(source: Path, target: Path) -> None:
        copy(source, target)
        subprocess.run(("sync", "-f", str(target)), check=True)

    return FilePeer("cp, then sync -f", work, work)


def copy(source: Path, target: Path) -> None:
    """Without sharing blocks where the file system could."""
    subprocess.run(("cp", "--reflink=never", str(source), str(target)), check=True)
