"""The oldest part of a room's audit log taken away, so that all that is proved about the rest stays proved."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from strongroom.audit import LogPruned, Tree, Who, entries
from strongroom.audit.locks import Lock
from strongroom.audit.pruned import first_kept, read_mark, remove_pruned, write_mark
from strongroom.audit.tiles import TILE
from strongroom.crypto import merkle_check
from strongroom.errors import AuditUnavailable, Misuse
from strongroom.home.auditing import own_log, verified
from strongroom.home.log import RoomNotary
from strongroom.home.places import AUDIT_DIRECTORY, os_user
from strongroom.home.upkeep import authorise, opened, site, trail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strongroom.audit import AuditLog
    from strongroom.home.unlock import StrPath, Unlock
    from strongroom.model import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Retention:
    """What stays: entries from `since` on, or the newest `keep`, and up to 255 before them. One of the two is given."""

    since: datetime | None = None
    keep: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What went: `entries` of them, so that `first` is the first that stays; `files` that are gone from the disk."""

    first: int
    entries: int
    files: int


def prune(
    home: StrPath | None, unlock: Unlock, retention: Retention, request: Request, *, dry_run: bool = False
) -> Pruned:
    """Take away what `retention` does not keep, once the log says so. It is verified before.

    Raises AccessDenied, AuditTampered, and Misuse where too many leases are open across the cut.
    """
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        folder = place / AUDIT_DIRECTORY
        log = own_log(place, room.id, keystore.snapshot())
        with trail(place, room, keystore) as sink:
            authorise(keystore.snapshot().owner, request, sink)
            size = sink.head().size
            verified(folder, room.id, keystore, log)
            cut = Cut.at(folder, size, retention)
            if dry_run or cut.entries == 0:
                return Pruned(first=cut.first, entries=cut.entries, files=0)
            announce(sink, request, cut, root_at(folder, cut.first, size))
        return take_away(folder, RoomNotary(keystore, room.id, log), cut)


@dataclass(frozen=True, slots=True)
class Cut:
    """Where a log is cut: the first entry that stays, how many go, the newest time among these, and leases that reach across."""

    first: int
    entries: int
    until: datetime
    leases: tuple[str, ...]

    @classmethod
    def at(cls, folder: Path, size: int, retention: Retention) -> Cut:
        """The cut of a log of `size` sealed entries."""
        before = first_kept(folder)
        wanted = size - retention.keep if retention.keep is not None else number_at(folder, retention.since)
        first = max(before, min(wanted, size, *needed(folder)) // TILE * TILE)
        until, leases = crossing(folder, before, first)
        return cls(first, first - before, until, leases)


def needed(folder: Path) -> Iterator[int]:
    """Where the log has to begin for others: what was not forwarded yet, and what witnesses have cosigned last."""
    if (folder / "forwarded").exists():
        yield int(json.loads((folder / "forwarded").read_bytes())["next"])
    for path in (folder / "witness").glob("[0-9a-f]*"):
        if path.name != "lock":
            yield int(path.read_bytes().split(b"\n")[1])


def number_at(folder: Path, since: datetime | None) -> int:
    """The number of the first entry of that time or later."""
    number = first_kept(folder)
    for content in map(json.loads, entries(folder)):
        if since is not None and time_of(content) >= since:
            break
        number += 1
    return number


def crossing(folder: Path, before: int, first: int) -> tuple[datetime, tuple[str, ...]]:
    """The newest time before entry `first`, and the leases that began before it and end behind it, or may yet."""
    until, leases, ends = BEGINNING, dict[str, datetime](), set[str]()
    for number, content in enumerate(map(json.loads, entries(folder)), before):
        if number < first:
            until = max(until, time_of(content))
        match content["event"]:
            case "lease-opened" if number < first:
                leases[content["lease"]] = time_of(content) + timedelta(seconds=content["seconds"])
            case "lease-closed" if number < first:
                leases.pop(content["lease"], None)
            case "lease-closed" if content["lease"] in leases:
                ends.add(content["lease"])
            case "log-pruned" if number < first:
                leases |= dict.fromkeys(content["leases"], until + LATE)
    # one that was never closed is a crash's, which closes nothing any more
    lasting = {lease for lease, end in leases.items() if end + LATE > datetime.now(UTC)}
    found = tuple(sorted(ends | lasting))
    if len(found) > MOST_LEASES:
        raise Misuse(
            f"{len(found)} leases reach across that place of the log, {MOST_LEASES} at most may: choose an earlier one"
        )
    return until, found


def time_of(entry: dict[str, str]) -> datetime:
    """When an entry was made."""
    return datetime.fromisoformat(entry["time"])


def root_at(folder: Path, first: int, size: int) -> bytes:
    """The root of the tree of the entries before `first`."""
    _, [root] = merkle_check(folder, first, size, [first])
    return root


def announce(sink: AuditLog, request: Request, cut: Cut, root: bytes) -> None:
    """Let the log say what is about to go, under a checkpoint."""
    sink.record(
        LogPruned(
            who=Who.of(request, os_user()),
            first=cut.first,
            entries=cut.entries,
            until=cut.until,
            root=root.hex(),
            leases=cut.leases,
        )
    )
    sink.head()


def take_away(folder: Path, notary: RoomNotary, cut: Cut) -> Pruned:
    """Sign how far the log is pruned, and remove what is before that. A crash in between leaves files that are not read."""
    lock = Lock(folder / "sealing")
    try:
        with lock.held():
            marked = read_mark(folder, notary.verifier)
            if marked.size < cut.first:
                root = root_at(folder, cut.first, notary.remembered().size)
                write_mark(folder, Tree(cut.first, root), notary.verifier, notary.sign)
            files = remove_pruned(folder, max(marked.size, cut.first))
    except OSError as error:
        raise AuditUnavailable(f"the audit log {folder} cannot be pruned: {error}") from error
    finally:
        lock.close()
    return Pruned(first=cut.first, entries=cut.entries, files=files)


BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
LATE = timedelta(days=1)
MOST_LEASES = 1500
