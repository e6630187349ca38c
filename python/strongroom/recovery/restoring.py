"""Make a room out of a backup, so that a crash at any point leaves the whole of it or none."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit import OwnerChanged, RoomRestored, Who
from strongroom.crypto import ct_eq
from strongroom.errors import RoomTampered
from strongroom.files import DIRECTORY_MODE, create_private, sync_directory
from strongroom.home import (
    RoomFile,
    Standing,
    begin_log,
    building_site,
    check_vacant,
    move_in,
    new_log,
    note_verified,
    read_room,
    root_digest,
    tables_forgotten,
)
from strongroom.home.places import ROOM_FILE, ROOT_FILE
from strongroom.keys import IN_TOKEN, new_id
from strongroom.keyservice import unwrapped
from strongroom.keystore import Keystore, glance, load_keystore

if TYPE_CHECKING:
    from strongroom.keystore import LogRecord, Snapshot
    from strongroom.model import Request
    from strongroom.providers import OpenRoot, RootDocument
    from strongroom.recovery.document import Contents


def build(
    site: Path,
    root: OpenRoot,
    document: RootDocument,
    contents: Contents,
    owner: str,
    anchors: Path,
    keystore: str | None = None,
    log: LogRecord | None = None,
) -> int:
    """Everything in a room's directory but its audit log, durable. Gives the epoch that it begins with."""
    dump = contents.dump
    room = RoomFile(dump.room, keystore, datetime.now(UTC).isoformat(timespec="seconds"))
    create_private(site / ROOT_FILE, document.content())
    epoch = load_keystore(room.place(site), root, dump, owner=owner, anchors=anchors, log=log)
    create_private(site / ROOM_FILE, room.content())
    sync_directory(site)
    return epoch


def record_restoring(
    site: Path, root: OpenRoot, contents: Contents, who: Who, owner: str, epoch: int, log: LogRecord
) -> None:
    """The first entries of the new audit log."""
    dump, room = contents.dump, read_room(site)
    with tempfile.TemporaryDirectory(prefix="strongroom-") as anchors, ExitStack() as closing:
        keystore = Keystore(room.place(site), dump.room, root, Path(anchors))
        closing.callback(keystore.close)
        sink = begin_log(site, dump.room, keystore, who.actor, log)
        closing.callback(sink.close)
        sink.note(
            RoomRestored(
                who=who,
                room=dump.room,
                backup=contents.id,
                epoch=epoch,
                previous_epoch=dump.epoch,
                state=dump.digest,
                audit=contents.audit,
            )
        )
        if owner != dump.owner:
            sink.note(OwnerChanged(who=who, owner=owner, previous=dump.owner))


def prove(site: Path, root: OpenRoot, contents: Contents, owner: str) -> int:
    """Open the room that was built, verify every row, and open every KEK. Gives how many. Raises RoomTampered.

    Its anchor goes to a directory of its own: whether this host believes in the room is decided once it is in its place.
    """
    with tempfile.TemporaryDirectory(prefix="strongroom-") as anchors:
        keystore = Keystore(read_room(site).place(site), contents.dump.room, root, Path(anchors))
        try:
            snapshot, dump = keystore.snapshot(), keystore.dump()
        finally:
            keystore.close()
    digest, said_digest = dump.digest.encode(), contents.dump.digest.encode()
    if owner == contents.dump.owner and not ct_eq(digest, said_digest):
        raise RoomTampered(f"the backup restores to the state {dump.digest}, and says {contents.dump.digest}")
    if dump.rows != contents.dump.rows:
        raise RoomTampered("the keystore that was restored does not hold what the backup does")
    return open_all(snapshot, root, contents.dump.room)


def open_all(snapshot: Snapshot, root: OpenRoot, room_id: str) -> int:
    """Open every KEK that there is, but for those in tokens: a backup holds only where they are."""
    records = [
        record for record in snapshot.versions.values() if record.wrapped_kek and record.root_version != IN_TOKEN
    ]
    for record in records:
        unwrapped(record, room_id, root).close()
    return len(records)


def place_room(
    place: Path,
    root: OpenRoot,
    document: RootDocument,
    contents: Contents,
    request: Request,
    *,
    actor: str,
    owner: str,
    anchors: Path,
    replace: bool,
    keystore: str | None,
) -> tuple[int, int, Path | None]:
    """Build and prove a room beside `place`, and rename it there. Gives epoch, KEKs and where an earlier room was put."""
    aside = None
    place.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    with building_site(place, "restore", new_id()) as site, tables_forgotten(keystore, contents.dump.room):
        log = new_log(place)
        epoch = build(site, root, document, contents, owner, anchors, keystore, log)
        keks = prove(site, root, contents, owner)
        record_restoring(site, root, contents, Who.of(request, actor), owner, epoch, log)
        keys = glance(read_room(site).place(site), contents.dump.room).keys
        note_verified(site, standing_of(contents, document, keys))
        if replace and place.exists():
            aside = place.with_name(f"{place.name}.replaced-{contents.id[:8]}-{new_id()[:8]}")
            place.rename(aside)
        move_in(site, place)
    sync_directory(place.parent)
    # from now on this host believes in this room, and refuses a copy that is behind it
    Keystore(read_room(place).place(place), contents.dump.room, root, anchors).close()
    return epoch, keks, aside


def standing_of(contents: Contents, document: RootDocument, keys: str) -> Standing:
    """What a room remembers of a backup that was verified."""
    return Standing(
        backup=contents.id,
        taken=contents.taken,
        verified=datetime.now(UTC).isoformat(timespec="seconds"),
        epoch=contents.dump.epoch,
        keys=keys,
        root=root_digest(document.current.to_json()),
    )


def check_target(place: Path, *, replace: bool) -> None:
    """Raises RoomExists or TargetExists where a room stands in the way and nobody said to replace it."""
    if not (replace and (place / ROOM_FILE).exists()):
        check_vacant(place)
