"""Peers that turn one file into another."""

from __future__ import annotations

import filecmp
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class FilePeer:
    """Both calls take what to read and what to write, which does not exist."""

    name: str
    seal: Callable[[Path, Path], object]
    open: Callable[[Path, Path], object]
    share: float = 1.0
    """The part of a large file that is enough to time it."""
    version: str = ""
    """Of a program, which no list of packages knows."""


class Workplace:
    """A directory with plaintexts, and one sealed and one opened file at a time, so that memory has room for them."""

    def __init__(self, folder: Path, size: int) -> None:
        self.size = size
        self.sealed = folder / "sealed"
        self.opened = folder / "opened"
        self._folder = folder

    def plaintext(self, share: float = 1.0) -> Path:
        """So much of the whole."""
        length = int(self.size * share)
        path = self._folder / f"plaintext-{length}"
        if not path.exists():
            block = os.urandom(1 << 20)
            with path.open("wb") as file:
                for at in range(0, length, len(block)):
                    file.write(block[: length - at])
            os.sync()
        return path

    def clear(self) -> None:
        """Takes away what the last one left."""
        for path in (self.sealed, self.opened):
            path.unlink(missing_ok=True)

    def seal(self, peer: FilePeer) -> None:
        """Its share of the plaintext."""
        peer.seal(self.plaintext(peer.share), self.sealed)

    def open(self, peer: FilePeer) -> None:
        """What it sealed."""
        peer.open(self.sealed, self.opened)

    def seal_anew(self, peer: FilePeer) -> None:
        """Makes ready for `open`."""
        self.clear()
        self.seal(peer)

    def check(self, peer: FilePeer) -> None:
        """What is opened is what was sealed, and what was sealed is not the same as that."""
        self.seal_anew(peer)
        self.open(peer)
        plaintext = self.plaintext(peer.share)
        if not filecmp.cmp(plaintext, self.opened, shallow=False):
            raise AssertionError(f"{peer.name} does not give back what it was given")
        if filecmp.cmp(plaintext, self.sealed, shallow=False):
            raise AssertionError(f"{peer.name} did not encrypt")
        self.clear()
