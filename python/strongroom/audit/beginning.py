"""The first file of a log: empty, or with the entries of the plain trail that older rooms have."""

from __future__ import annotations

import fcntl
import os
from typing import TYPE_CHECKING

from strongroom.audit.events import LogStarted, Recovered, Who
from strongroom.audit.pending import write_pending
from strongroom.errors import AuditTampered
from strongroom.files import sync_directory
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def begin(folder: Path, actor: str) -> None:
    """Make `pending`, unless it is there. The caller holds the log against others.

    A plain trail goes over entry by entry, byte for byte, and then goes itself: a crash before that leaves both, of which
    `pending` counts.
    """
    plain = folder / PLAIN
    if (folder / "pending").exists():
        # named twice after a crash; what is in it went over already
        plain.unlink(missing_ok=True)
        return
    if (folder / "checkpoint").exists():
        raise AuditTampered(
            f"{folder / 'pending'} is missing: put it back, it holds the newest entries of the audit log"
        )
    if not plain.exists():
        write_pending(folder / "pending", FIRST_FENCE, 0, ())
        return
    descriptor = os.open(plain, os.O_RDONLY | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as trail:
        # whoever still has the room open with an older version appends under this lock
        fcntl.flock(trail, fcntl.LOCK_EX)
        write_pending(folder / "pending", FIRST_FENCE, 0, carried(trail, actor))
        plain.unlink()
    sync_directory(folder)


def carried(trail: Iterator[bytes], actor: str) -> Iterator[bytes]:
    """The entries of a plain trail, and one that says so."""
    count, torn = 0, 0
    for line in trail:
        if not line.endswith(b"\n"):
            torn = len(line)
            break
        yield line.removesuffix(b"\n")
        count += 1
    if torn:
        who = Who.of(Request("strongroom", "audit", "a crash left the last entry torn"), actor)
        yield Recovered(who=who, bytes_cut=torn).entry()
    who = Who.of(Request("strongroom", "audit", "the plain trail became a log"), actor)
    yield LogStarted(who=who, carried=count).entry()


PLAIN = "events.jsonl"
FIRST_FENCE = 1
