"""What a command may leave on a disk: plaintext outside the source, temporary files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path


def leaks(folder: Path, marker: bytes, *, allowed: Iterable[Path]) -> Iterator[Path]:
    """Every file beneath `folder` that holds `marker`, but for what is beneath the allowed folders."""
    for path in files(folder, without=allowed):
        if marker in path.read_bytes():
            yield path


def temporaries(folder: Path, *, without: Iterable[Path] = ()) -> Iterator[Path]:
    """Every file or folder beneath `folder` whose name is one that an unfinished writer gives."""
    for path in entries(folder, without=without):
        name = path.name
        if (name.startswith(".") and name != OWN) or name.endswith((".partial", "-journal", "-wal", "-shm")):
            yield path


def files(folder: Path, *, without: Iterable[Path] = ()) -> Iterator[Path]:
    """Every regular file beneath `folder`."""
    return (path for path in entries(folder, without=without) if path.is_file() and not path.is_symlink())


def entries(folder: Path, *, without: Iterable[Path] = ()) -> Iterator[Path]:
    """Everything beneath `folder`, but for what is beneath the folders left out."""
    left_out = set(without)
    for here, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if Path(here, name) not in left_out]
        yield from (Path(here, name) for name in (*folders, *names))


OWN = ".strongroom"
FILES_OF_A_LOG = frozenset(
    {"checkpoint", "lock", "pending", "pruned", "sealing", "vkey", "tile", "entries"}
    | {str(number) for number in range(256)}
    | {f"{number:03}{end}" for number in range(256) for end in ("", ".p")}
)
