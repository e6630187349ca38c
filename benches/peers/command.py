"""Peers that are programs: they read descriptor 0 and write descriptor 1, be those files or pipes."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benches.harness.row import Unavailable
from benches.peers.file import FilePeer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Command:
    """The arguments for each direction."""

    name: str
    seal: tuple[str, ...]
    open: tuple[str, ...]
    share: float = 1.0
    """The part of a large input that is enough to time it."""
    version: str = ""
    ready: bool = False
    """It writes a line on descriptor 2 when its start is over."""

    def on_files(self) -> FilePeer:
        """From a file into a file."""
        return FilePeer(self.name, redirected(self.seal), redirected(self.open), self.share, self.version)


def redirected(arguments: tuple[str, ...]) -> Callable[[Path, Path], None]:
    """A run of the program from one file into another."""

    def work(source: Path, target: Path) -> None:
        with source.open("rb") as reader, target.open("xb") as writer:
            subprocess.run(arguments, stdin=reader, stdout=writer, stderr=subprocess.DEVNULL, check=True)

    return work


def found(program: str, package: str) -> str:
    """Where it is, if it is installed."""
    return shutil.which(program) or missing(package)


def missing(package: str) -> str:
    """Says which Debian package brings it."""
    raise Unavailable(f"apt install {package}")


def output(*arguments: str) -> str:
    """What a program says, on either descriptor."""
    return subprocess.run(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout
