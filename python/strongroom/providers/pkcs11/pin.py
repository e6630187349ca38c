"""Where a token's PIN comes from: a reference, never the PIN itself. Rust reads it; it is no Python object."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from strongroom.crypto import Secret
from strongroom.errors import Misuse, RoomLocked, RoomUnsafe


def read_pin(source: str | None) -> Secret:
    """The PIN that `source` leads to. Raises RoomLocked, RoomUnsafe, OSError.

    `file:PATH`, `env:NAME` of a variable that names a file, `credential:NAME` of a systemd credential, or `fd:N`.
    """
    kind, rest = taken_apart(source)
    if kind == "fd":
        return Secret.from_fd(int(rest), strip_newline=True)
    path = check_pin_file(source)
    try:
        return Secret.from_file(str(path), strip_newline=True)
    except OSError as error:
        error.filename = str(path)
        raise


def check_pin_file(source: str | None) -> Path:
    """The file that a source leads to. Raises RoomLocked, RoomUnsafe where others have access to it, OSError."""
    path = pin_file(source)
    if path is None:
        raise RoomLocked(f"the PIN source {source!r} leads to no file: set the variable, or run under systemd")
    if path.stat().st_mode & 0o027:
        raise RoomUnsafe(
            f"others have access to the PIN file {path}; close it with: chmod 600 {shlex.quote(str(path))}"
        )
    return path


def pin_file(source: str | None) -> Path | None:
    """The file that a source leads to; None where it leads to none now. Raises Misuse, RoomLocked."""
    kind, rest = taken_apart(source)
    match kind:
        case "file":
            return Path(rest)
        case "env":
            named = os.environ.get(rest)
            return Path(named) if named else None
        case "credential":
            directory = os.environ.get("CREDENTIALS_DIRECTORY")
            return Path(directory, rest) if directory else None
        case _:
            return None


def check_source(source: str | None) -> None:
    """Raises Misuse or RoomLocked unless `source` is of a kind that is known."""
    taken_apart(source)


def taken_apart(source: str | None) -> tuple[str, str]:
    """Kind and rest of a source."""
    if source is None:
        raise RoomLocked("the URI names no PIN: give pin-source=file:FILE")
    kind, colon, rest = source.partition(":")
    if source.startswith("/"):
        kind, colon, rest = "file", ":", source
    if kind == "file":
        rest = rest.removeprefix("//")
    valid = {
        "file": rest.startswith("/"),
        "env": bool(rest) and "=" not in rest,
        "credential": bool(rest) and "/" not in rest and rest not in {".", ".."},
        "fd": rest.isdecimal(),
    }
    if not colon or not valid.get(kind, False):
        raise Misuse("a PIN comes from file:/PATH, env:NAME, credential:NAME or fd:N")
    return kind, rest


def fingerprint(source: str | None) -> tuple[object, ...]:
    """What changes when the PIN behind a source may have changed."""
    path = pin_file(source)
    if path is None:
        return (source,)
    status = path.stat()
    return (source, str(path), status.st_ino, status.st_size, status.st_mtime_ns)
