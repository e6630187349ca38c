"""Private files that survive a crash: whole or absent, and readable by their owner only."""

from __future__ import annotations

import os
import shlex
import stat
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.errors import RoomUnsafe

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "NOT_OURS",
    "check_private",
    "create_private",
    "directory_descriptor",
    "replacing",
    "sync_directory",
    "write_private",
]


def write_private(path: Path, data: bytes) -> None:
    """Put `data` at `path`, mode 0600, so that a crash leaves the old content or the new, durable on return.

    The caller sees to it that nobody else writes `path` meanwhile: so what a crash leaves beside it has one name, and goes
    with the next writer.
    """
    with replacing(path) as beside:
        create_private(beside, data)
    sync_directory(path.parent)


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """The name under which to make the file that then takes the place of `path`. Nothing is left under it on a failure.

    The new content is to be on the disk by the end of the block, and the directory is to be synced after it.
    """
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        yield beside
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def create_private(path: Path, data: bytes = b"") -> None:
    """Make the file `path`, mode 0600, with `data` in it and on the disk. Raises FileExistsError if it is there."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        # a full disk says nothing about which file it had no space for
        raise OSError(error.errno, error.strerror, str(path)) from error


def sync_directory(path: Path) -> None:
    """Make the names in the directory `path` durable."""
    with directory_descriptor(path) as descriptor:
        os.fsync(descriptor)


@contextmanager
def directory_descriptor(path: Path) -> Iterator[int]:
    """A descriptor of the directory `path`, closed at the end."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def check_private(home: Path) -> None:
    """Refuse a directory that others than its owner may enter, or that holds a file which others may read or write.

    Raises RoomUnsafe with the command that mends it.
    """
    for path in (home, *(Path(entry.path) for entry in os.scandir(home))):
        try:
            # looked at by name only: opening and closing one of SQLite's files would drop the locks that it holds
            status = path.stat()
        except FileNotFoundError:
            # journals come and go while others use the room
            continue
        mode = DIRECTORY_MODE if stat.S_ISDIR(status.st_mode) else FILE_MODE
        if status.st_mode & 0o077:
            raise RoomUnsafe(f"others have access to {path}; close it with: chmod {mode:o} {shlex.quote(str(path))}")


FILE_MODE = 0o600
DIRECTORY_MODE = 0o700
# what taking a JSON document apart raises when it is not one that we wrote: other text, other types, and numbers,
# characters and depths that no writer of ours knows
NOT_OURS = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
