"""The audit log of a room looked at from outside of it: verified, and compared with the keystore. Nothing is written."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit import Tree, Verifier, entries
from strongroom.audit.cosigning import Cosigned, Cosigner, check_cosigned
from strongroom.audit.proving import prove
from strongroom.audit.pruned import first_kept
from strongroom.audit.reading import signed_size
from strongroom.audit.verifying import VerifiedLog, verify_log
from strongroom.errors import AuditTampered, AuditUnavailable, Misuse
from strongroom.home.log import RoomNotary, folders, identity, named, vkey_of
from strongroom.home.opening import read_room
from strongroom.home.places import AUDIT_DIRECTORY, as_home
from strongroom.home.reckoning import Books, Reckoning
from strongroom.home.upkeep import opened, site

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from strongroom.home.unlock import StrPath, Unlock
    from strongroom.keystore import Keystore, LogRecord, Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """What does not agree between log and keystore, in order; how much was compared; and the logs that were not at hand."""

    wrong: tuple[str, ...]
    entries: int
    changes: int
    leases: int
    elsewhere: tuple[str, ...]


def verify(home: StrPath | None, vkey: str) -> VerifiedLog:
    """Verify the log of the room at `home` by a key that was noted before: no secret of the room is needed."""
    return verify_log(as_home(home) / AUDIT_DIRECTORY, Verifier.parse(vkey))


def verify_witnessed(home: StrPath | None, found: VerifiedLog, witnesses: Iterable[str]) -> tuple[Cosigned, ...]:
    """What each of these witnesses, by their vkeys, has cosigned of the log at `home`, which was `found` to verify.

    Raises AuditTampered where one has cosigned nothing, or another log.
    """
    folder, verifier = as_home(home) / AUDIT_DIRECTORY, Verifier.parse(found.vkey)
    return tuple(check_cosigned(folder, verifier, Cosigner.parse(vkey), found.size) for vkey in witnesses)


def verify_own(home: StrPath | None, unlock: Unlock) -> VerifiedLog:
    """The same by the room's own key, and that the log is not older than the keystore knows it."""
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        log = own_log(place, room.id, keystore.snapshot())
        return verified(place / AUDIT_DIRECTORY, room.id, keystore, log)


def reconcile(home: StrPath | None, unlock: Unlock, others: Iterable[StrPath] = ()) -> Reconciled:
    """Compare every change and lease of the keystore with the log, and the other way round.

    `others` are the folders of logs that the room has at other places. Raises AuditTampered for a log that does not verify.
    """
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        # read before the log, so that what happens meanwhile is in it; and once more behind it, for the other way
        books = Books.of(keystore)
        snapshot = keystore.snapshot()
        own_log(place, room.id, snapshot)
        given = [folder for folder in folders(place) if is_newest(folder, room.id, keystore)]
        given += [Path(os.fsdecode(other)) for other in others]
        at_hand = {identity(folder, room.id) or "": folder for folder in given}
        reckoning = Reckoning()
        for log, folder in at_hand.items():
            if log not in snapshot.logs:
                raise AuditTampered(f"{folder} holds no log of this room")
            verified(folder, room.id, keystore, log)
            for entry in entries(folder):
                reckoning.enter(json.loads(entry))
        absent = [record for log, record in sorted(snapshot.logs.items()) if log not in at_hand]
        return Reconciled(
            wrong=(*missing(place, absent), *reckoning.wrong(books, Books.of(keystore), whole=not absent)),
            entries=reckoning.entries,
            changes=len(reckoning.changes),
            leases=reckoning.leases,
            elsewhere=tuple(f"{record.id} at {record.place}" for record in absent),
        )


def prove_entry(home: StrPath | None, which: int | str) -> tuple[int, bytes]:
    """The number and the proof of an entry, by its number or its id. Raises Misuse where there is none, or it waits yet."""
    place = as_home(home)
    folder = place / AUDIT_DIRECTORY
    index = which if isinstance(which, int) else number_of(folder, which)
    return index, prove(folder, index, own_verifier(place))


def own_verifier(place: Path) -> Verifier:
    """The key that lies with the log. Good for making proofs; who believes them needs it from elsewhere."""
    read_room(place)
    return Verifier.parse(vkey_of(place / AUDIT_DIRECTORY))


def number_of(folder: Path, event_id: str) -> int:
    """The number of the first entry with an id."""
    wanted = event_id.encode()
    for number, entry in enumerate(entries(folder), first_kept(folder)):
        if wanted in entry and json.loads(entry).get("id") == event_id:
            return number
    raise Misuse(f"the audit log has no entry {event_id}")


def own_log(place: Path, room_id: str, snapshot: Snapshot) -> str:
    """The id of the log at `place`. Raises AuditTampered where the room knows none."""
    log = identity(place / AUDIT_DIRECTORY, room_id)
    if log is None or log not in snapshot.logs:
        if not snapshot.logs and log is None:
            raise AuditUnavailable("this room has a plain trail and no log yet: the next use of it makes one")
        raise AuditTampered(f"{place / AUDIT_DIRECTORY} holds no log that this room knows: put it back from a copy")
    return log


def verified(folder: Path, room_id: str, keystore: Keystore, log: str) -> VerifiedLog:
    """A log that verifies under the room's key, and is as far as the room knows it."""
    # first: it only moves on while we look
    known = keystore.log_head(log)
    notary = RoomNotary(keystore, room_id, log)
    if vkey_of(folder) != str(notary.verifier):
        raise AuditTampered(f"{folder} does not hold the key of this room's log: someone changed it")
    return verify_log(folder, notary.verifier, Tree(known.size, known.root))


def is_newest(folder: Path, room_id: str, keystore: Keystore) -> bool:
    """False for a log that came with a copy of the room, and has gone on where the room was copied from."""
    log = identity(folder, room_id)
    if folder.name == AUDIT_DIRECTORY or log is None or log not in keystore.snapshot().logs:
        return True
    return signed_size(folder) >= keystore.log_head(log).size


def missing(place: Path, absent: Iterable[LogRecord]) -> Iterator[str]:
    """The logs that should be on this host and are not."""
    host, _, _ = named(place).partition(":")
    for record in absent:
        where, _, folder = record.place.partition(":")
        if where == host and not Path(folder).exists():
            yield f"the log {record.id} at {folder} is missing"


def lines(home: StrPath | None) -> Iterator[bytes]:
    """Every entry of the room at `home` as it stands in the log."""
    for folder in folders(as_home(home)):
        yield from entries(folder)


def chosen(found: Iterable[bytes], wanted: Mapping[str, str]) -> Iterator[bytes]:
    """The entries in which every member that is named has that value."""
    for entry in found:
        content = json.loads(entry)
        if all(str(content.get(name)) == value for name, value in wanted.items()):
            yield entry
