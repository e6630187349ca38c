"""Entries sent on to a SIEM: syslog (RFC 5424) or a file of JSON Lines. Specified in docs/spec/audit.md, "Forwarding".

Only what a checkpoint covers is sent, from the log, so nothing is sent that a crash could take back. A cursor says how far a
target has got; it moves on once the target has taken a batch, so after a crash or an outage some of it is sent again, and
nothing is left out. UDP alone takes everything and promises nothing.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from strongroom.audit.locks import Lock
from strongroom.audit.pruned import first_kept
from strongroom.audit.reading import entries, signed_size
from strongroom.audit.targets import deliver, target_of
from strongroom.errors import AuditUnavailable
from strongroom.files import NOT_OURS, write_private

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Forwarded:
    """How many entries were sent now, and how many of the log's entries the target has got in all."""

    sent: int
    next: int


def forward(folder: Path, log: str, target: str, most: int | None = None) -> Forwarded:
    """Send the sealed entries that `target` has not got yet, `most` of them at the most, a batch at a time.

    Raises AuditUnavailable where the target does not take them, or another process is at it; then the next call goes on.
    """
    place, sent = target_of(target), 0
    try:
        lock = Lock(folder / "forwarding")
    except OSError as error:
        raise AuditUnavailable(f"{folder} cannot be forwarded from: {error.strerror}") from error
    try:
        with lock.held():
            # what was pruned before is gone
            at = max(cursor(folder, target), first_kept(folder))
            end = signed_size(folder) if most is None else min(signed_size(folder), at + most)
            source = islice(entries(folder, at), max(end - at, 0))
            while batch := list(islice(source, BATCH)):
                deliver(place, [(number, entry) for number, entry in enumerate(batch, at)], log)
                at, sent = at + len(batch), sent + len(batch)
                write_private(folder / CURSOR, json.dumps({"next": at, "target": target}).encode() + b"\n")
            return Forwarded(sent, at)
    except OSError as error:
        raise AuditUnavailable(f"entries cannot be forwarded to {target}: {error}") from error
    finally:
        lock.close()


def cursor(folder: Path, target: str) -> int:
    """The number of the first entry that a target has not got: 0 for a new one."""
    try:
        said = json.loads((folder / CURSOR).read_bytes())
        return int(said["next"]) if said["target"] == target else 0
    except FileNotFoundError:
        return 0
    except NOT_OURS as error:
        raise AuditUnavailable(f"{os.fspath(folder / CURSOR)} is not what it was: remove it to begin anew") from error


CURSOR = "forwarded"
BATCH = 1000
