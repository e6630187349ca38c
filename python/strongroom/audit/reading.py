"""Entries read back, oldest first, while others may write. No key is needed, and nothing is verified."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from strongroom.audit.beginning import PLAIN
from strongroom.audit.pending import Pending
from strongroom.audit.pruned import first_kept
from strongroom.audit.tiles import bundles
from strongroom.errors import AuditUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def entries(folder: Path, start: int = 0) -> Iterator[bytes]:
    """Every entry of the log in `folder` from number `start` on, or from the first that was not pruned.

    A last one that is torn or being written is left out.

    Raises AuditUnavailable, and AuditTampered where one is missing.
    """
    try:
        if not (folder / "pending").exists() and (folder / PLAIN).exists():
            yield from islice(plain_entries(folder / PLAIN), start, None)
            return
        # opened before the checkpoint is read: so it begins at or before what that covers
        pending = Pending(folder / "pending")
        try:
            pending.refresh()
            size, start = signed_size(folder), max(start, first_kept(folder))
            yield from bundles(folder, start, size)
            waiting = (entry for _, entry in pending.entries(pending.start, pending.end.offset))
            yield from islice(waiting, max(start, size) - pending.first, None)
        finally:
            pending.close()
    except (OSError, ValueError) as error:
        raise AuditUnavailable(f"the audit log {folder} cannot be read: {error}") from error


def plain_entries(path: Path) -> Iterator[bytes]:
    """The entries of a plain trail, as rooms of older versions have it."""
    with path.open("rb") as lines:
        yield from (line.removesuffix(b"\n") for line in lines if line.endswith(b"\n"))


def signed_size(folder: Path, name: str = "checkpoint") -> int:
    """How many entries a checkpoint covers, 0 without one. Not verified."""
    try:
        return int((folder / name).read_bytes().split(b"\n")[1])
    except FileNotFoundError:
        return 0
    except (IndexError, ValueError):
        raise AuditUnavailable(f"{folder / name} is not what a checkpoint looks like") from None
