"""A keystore made out of a dump, and what can be seen of one without a key."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import insert

from strongroom.errors import AuthenticationFailed, RoomTampered
from strongroom.files import create_private
from strongroom.keys import mac_key_binding
from strongroom.keystore.anchor import Anchor
from strongroom.keystore.dump import DUMPED
from strongroom.keystore.engine import Database
from strongroom.keystore.logs import list_log
from strongroom.keystore.making import check_vacant
from strongroom.keystore.reading import FORMAT, check_format, members_without, read_meta
from strongroom.keystore.rowmac import RowMac
from strongroom.keystore.rows import as_bytes, as_int
from strongroom.keystore.store import seal
from strongroom.keystore.tables import AUDIT_LOGS, CENSUS, SETTINGS

if TYPE_CHECKING:
    from strongroom.keystore.dump import Dump
    from strongroom.keystore.engine import Place
    from strongroom.keystore.reading import Root
    from strongroom.keystore.records import LogRecord
    from strongroom.keystore.rowmac import Value


def load_keystore(
    place: Place, root: Root, dump: Dump, *, owner: str, anchors: Path, log: LogRecord | None = None
) -> int:
    """A new keystore at `place` that holds `dump`. Gives its epoch: above that of the dump and what `anchors` have seen.

    `log` is the audit log that the room begins with; those of before belong to the room that was.
    Nothing of the dump is believed yet: opening the keystore verifies it. The caller makes sure that a crash leaves no half
    of a file. Raises TargetExists, RoomTampered, RoomOutdated and UnsupportedFormat.
    """
    from strongroom.keystore.migrate import upgrade

    check_format(dump.format)
    try:
        key = root.unwrap_mac_key(dump.wrapped_mac_key, mac_key_binding(dump.room, root.version))
    except AuthenticationFailed:
        raise RoomTampered("the wrapped MAC key is not one that this room's root has wrapped") from None
    seen = Anchor(anchors, dump.room, key).read()
    epoch = max(dump.epoch, seen.epoch if seen is not None else 0) + 1
    if isinstance(place, Path):
        create_private(place)
    macs, database = RowMac(key, dump.room), Database(place)
    try:
        with database.writing() as connection:
            check_vacant(connection, place)
            upgrade(connection)
            for name, row in dump.rows:
                connection.execute(insert(BY_NAME[name]).values(dict(row)))
            if log is not None:
                list_log(connection, macs, log)
            meta: dict[str, Value] = {
                "id": 1,
                "format": FORMAT,
                "room": dump.room,
                "owner": owner,
                "epoch": epoch,
                "newest": dump.newest,
                "root_version": root.version,
                "wrapped_mac_key": dump.wrapped_mac_key,
                "moved_to": None,
            }
            seal(connection, macs, meta)
    finally:
        database.close()
        macs.close()
    return epoch


@dataclass(frozen=True, slots=True)
class Glance:
    """What a keystore says of itself, not authenticated: for reminders, and to choose what is verified then.

    `keys` is a digest that changes with any class, key or version, and not with a census or a setting.
    """

    epoch: int
    root_version: int
    keys: str
    moved_to: str | None


def glance(place: Place, room_id: str) -> Glance:
    """Look at a keystore without its MAC key. Raises KeystoreUnavailable, RoomTampered, RoomOutdated."""
    database = Database(place)
    try:
        with database.reading() as connection:
            meta = read_meta(connection, room_id)
    finally:
        database.close()
    root_version = as_int(meta["root_version"])
    keys = keys_digest(as_bytes(meta["members"]))
    moved_to = None if meta["moved_to"] is None else str(meta["moved_to"])
    return Glance(as_int(meta["epoch"]), root_version, keys, moved_to)


def keys_digest(members: bytes) -> str:
    """What `members` says of classes, keys and versions, in one number."""
    return hashlib.sha256(members_without(members, CENSUS, AUDIT_LOGS, SETTINGS)).hexdigest()


BY_NAME = {table.name: table for table in DUMPED}
