"""SRC and DST: what they are, and what is refused before a passphrase is asked for."""

from __future__ import annotations

import codecs
import errno
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from typing import IO, BinaryIO, cast

import click

from strongroom.cli.words import shown
from strongroom.errors import Misuse, TargetExists

STDIO = "-"
OF_THE_TARGET = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


class Kind(Enum):
    """How SRC is read and DST written."""

    FILE = "file"
    TREE = "tree"
    STREAM = "stream"


def kind_of(source: str, target: str) -> Kind:
    """Whether this is a job over a file, a tree or a stream. OSError if SRC cannot be looked at."""
    if source != STDIO and Path(source).is_dir():
        if target == STDIO:
            raise click.UsageError(f"{shown(source)} is a directory and cannot go to standard output; name a DST.")
        return Kind.TREE
    if source != STDIO:
        os.stat(source)
    return Kind.STREAM if STDIO in {source, target} else Kind.FILE


def refuse_existing(target: str, *, unless: bool) -> None:
    """Refuse a DST that exists, unless resuming or replacing was asked for."""
    if target != STDIO and not unless and os.path.lexists(target):
        raise TargetExists(f"{shown(target)} exists")


def refuse_terminal(target: str) -> None:
    """Refuse binary output onto a terminal."""
    if target == STDIO and sys.stdout.isatty():
        raise click.UsageError(
            "An encrypted message is binary and does not go to a terminal; name a DST or use a pipe."
        )


@contextmanager
def reading(source: str) -> Iterator[int]:
    """Open SRC for reading."""
    if source == STDIO:
        yield sys.stdin.fileno()
        return
    descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def writing(target: str, *, force: bool) -> Iterator[int | BinaryIO]:
    """Where DST is written: standard output, or a file that gets its name when all of it is there and on the disk."""
    if target == STDIO:
        yield cast("BinaryIO", TextOnly(sys.stdout.buffer)) if sys.stdout.isatty() else sys.stdout.fileno()
        return
    final, partial = Path(target), None
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{final.name[:200]}.", suffix=".partial", dir=final.parent)
        partial = Path(name)
        try:
            yield descriptor
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        _give_name(partial, final, force=force)
    except BaseException as error:
        if partial is not None:
            partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and (partial is None or error.errno in OF_THE_TARGET):
            error.filename = target  # it came of a descriptor, or names a file that nobody asked for
        raise


def _give_name(partial: Path, final: Path, *, force: bool) -> None:
    if force:
        partial.replace(final)
    else:
        try:
            final.hardlink_to(partial)  # unlike a rename, refuses a name that someone took meanwhile
        except FileExistsError:
            raise TargetExists(f"{shown(final)} exists") from None
        partial.unlink()
    directory = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


class TextOnly:
    """A terminal that takes text: plaintext that is binary, or that would steer the terminal, is refused."""

    def __init__(self, terminal: IO[bytes]) -> None:
        self._terminal = terminal
        self._decoder = codecs.getincrementaldecoder("utf-8")()

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Write text. Misuse for anything else."""
        try:
            text = self._decoder.decode(bytes(data))
        except UnicodeDecodeError:
            text = "\0"
        if not all(character.isprintable() or character in "\n\r\t" for character in text):
            raise Misuse("the plaintext is binary and does not go to a terminal; name a DST or use a pipe")
        self._terminal.write(text.encode())
        self._terminal.flush()
        return len(data)
