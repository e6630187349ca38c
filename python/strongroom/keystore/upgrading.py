"""A keystore of format 1 made one of format 2: all of it or nothing, with a copy of the old one beside."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, delete, select, update

from strongroom.errors import Misuse, RoomTampered, UnsupportedFormat
from strongroom.files import create_private, sync_directory
from strongroom.keys import Move, edge
from strongroom.keystore import first
from strongroom.keystore.anchor import Anchor, Mark, check_progress
from strongroom.keystore.counters import counter_is, counter_row
from strongroom.keystore.engine import Database
from strongroom.keystore.migrate import upgrade
from strongroom.keystore.reading import FORMAT, open_mac_key, read_members, read_rows
from strongroom.keystore.records import Change, HistoryRecord, KeyRecord, VersionRecord
from strongroom.keystore.rowmac import RowMac
from strongroom.keystore.rows import as_bytes, as_int, from_microseconds, to_microseconds, to_time
from strongroom.keystore.store import newest, seal, write_change
from strongroom.keystore.tables import WRAP_COUNTERS
from strongroom.model import DataClass, KeyState

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from strongroom.keystore.reading import Root, Row
    from strongroom.keystore.records import OutboxEntry


@dataclass(frozen=True, slots=True)
class First:
    """A keystore of format 1, verified."""

    meta: Row
    members: Sequence[tuple[Table, Row]]
    counters: Sequence[Row]

    def of(self, table: Table) -> list[Row]:
        """The rows of one table."""
        return [row for found, row in self.members if found is table]


def upgrade_keystore(path: Path, backup: Path, room_id: str, root: Root, anchors: Path, entry: OutboxEntry) -> None:
    """Bring the file at `path` from format 1 to the newest one, and leave a copy of it at `backup`.

    `entry` goes to the outbox, and stands in the history of every version that there was. Raises Misuse if there is
    nothing to upgrade, RoomTampered if a row does not verify; then everything stays as it is.
    """
    database = Database(path)
    try:
        with database.writing() as connection:
            meta = first_meta(connection, room_id)
            macs = RowMac(open_mac_key(meta, room_id, root), room_id)
            found = verified(connection, macs, meta, Anchor(anchors, room_id, macs.key).read())
            # nothing is written yet, so what another connection reads is what was verified
            copy(path, backup)
            rewrite(connection, macs, found, entry)
        macs.close()
    finally:
        database.close()


def owner_of_first(path: Path, room_id: str, root: Root, anchors: Path) -> str:
    """The owner of a room whose keystore has format 1 and verifies."""
    database = Database(path)
    try:
        with database.reading() as connection:
            meta = first_meta(connection, room_id)
            macs = RowMac(open_mac_key(meta, room_id, root), room_id)
            verified(connection, macs, meta, Anchor(anchors, room_id, macs.key).read())
        macs.close()
    finally:
        database.close()
    return str(meta["owner"])


def first_meta(connection: Connection, room_id: str) -> Row:
    """The meta row of a keystore of format 1. Not yet authenticated."""
    formats = list(connection.execute(select(first.META.c.format)).scalars())
    if formats == [FORMAT]:
        raise Misuse(f"the keystore has format {FORMAT}, the newest that there is: nothing was done")
    if formats != [FIRST_FORMAT]:
        raise UnsupportedFormat(f"only a keystore of format 1 can be upgraded, and this one has {formats}")
    (meta,) = read_rows(connection, first.META)
    if meta["room"] != room_id:
        raise RoomTampered("meta 1: the keystore belongs to another room")
    return meta


def verified(connection: Connection, macs: RowMac, meta: Row, seen: Mark | None) -> First:
    """Everything in a keystore of format 1. Raises RoomTampered naming the row that does not verify."""
    members = [(table, row) for table in first.MEMBERS for row in read_rows(connection, table)]
    counters = read_rows(connection, first.WRAP_COUNTERS)
    for table, row in [(first.META, meta), *members, *((first.WRAP_COUNTERS, row) for row in counters)]:
        macs.check(table, row)
    macs.check_set(as_bytes(meta["members"]), members)
    check_progress(seen, Mark(as_int(meta["epoch"]), as_bytes(meta["mac"])))
    return First(meta, members, counters)


def copy(path: Path, backup: Path) -> None:
    """A private copy of a database, whole and durable under its name. An earlier one, of an upgrade that failed, goes."""
    beside = backup.with_name(f".{backup.name}.new")
    beside.unlink(missing_ok=True)
    create_private(beside)
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(beside)) as target:
        source.backup(target)
    descriptor = os.open(beside, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    beside.replace(backup)
    sync_directory(backup.parent)


def rewrite(connection: Connection, macs: RowMac, found: First, entry: OutboxEntry) -> None:
    """New tables, and in them what stood in the old ones."""
    for table in reversed(first.METADATA.sorted_tables):
        connection.execute(delete(table))
    upgrade(connection)
    change = carried_over(found, entry)
    write_change(connection, macs, {}, change)
    for row in found.counters:
        key_id, version = str(row["key_id"]), as_int(row["version"])
        values = macs.signed(WRAP_COUNTERS, counter_row(key_id, version, as_int(row["reserved"])))
        connection.execute(update(WRAP_COUNTERS).where(*counter_is(key_id, version)).values(values))
    kept = {name: found.meta[name] for name in ("id", "room", "owner", "root_version", "wrapped_mac_key")}
    said = {"format": FORMAT, "epoch": as_int(found.meta["epoch"]) + 1, "newest": to_microseconds(newest(change))}
    seal(connection, macs, {**kept, **said, "moved_to": None})
    if len(read_members(connection)) != len(found.members):
        raise RoomTampered("the upgrade would lose rows: nothing was done")


def carried_over(found: First, entry: OutboxEntry) -> Change:
    """The records of a keystore of format 1, with the edges that its versions must have gone through."""
    owner = str(found.meta["owner"])
    current = {str(row["key_id"]) for row in found.of(first.CLASSES)}
    return Change(
        classes=tuple(to_class(row) for row in found.of(first.CLASSES)),
        keys=tuple(to_key(row, current) for row in found.of(first.KEYS)),
        versions=tuple(to_version(row) for row in found.of(first.KEY_VERSIONS)),
        history=tuple(
            step for row in found.of(first.KEY_VERSIONS) for step in edges_of(to_version(row), owner, entry.event_id)
        ),
        outbox=(entry,),
    )


def to_class(row: Row) -> DataClass:
    """A class of format 1: without scopes and periods."""
    return DataClass(
        name=str(row["name"]),
        key_id=str(row["key_id"]),
        suite=as_int(row["suite"]),
        frame_length=as_int(row["frame_length"]),
        lease_seconds=as_int(row["lease_seconds"]),
        max_messages=as_int(row["max_messages"]),
        max_bytes=as_int(row["max_bytes"]),
        created=from_microseconds(as_int(row["created"])),
    )


def to_key(row: Row, current: set[str]) -> KeyRecord:
    """A key of format 1: current if its class named it."""
    return KeyRecord(
        id=str(row["id"]),
        data_class=str(row["data_class"]),
        primary_version=as_int(row["primary_version"]),
        created=from_microseconds(as_int(row["created"])),
        current=str(row["id"]) in current,
    )


def to_version(row: Row) -> VersionRecord:
    """A key version of format 1: active from the start."""
    created = from_microseconds(as_int(row["created"]))
    return VersionRecord(
        key_id=str(row["key_id"]),
        version=as_int(row["version"]),
        state=KeyState(str(row["state"])),
        created=created,
        activated=created,
        active_until=to_time(row["active_until"]),
        root_version=as_int(row["root_version"]),
        wrapped_kek=as_bytes(row["wrapped_kek"]),
    )


def edges_of(version: VersionRecord, owner: str, event_id: str) -> Iterator[HistoryRecord]:
    """Created and activated by the room's owner, as nobody else could; deactivated by the clock, if it is."""
    steps = [(edge(Move.CREATE, None), owner, version.created)]
    steps.append((edge(Move.ACTIVATE, KeyState.PRE_ACTIVE), owner, version.created))
    if version.state is KeyState.DEACTIVATED:
        steps.append((edge(Move.DEACTIVATE, KeyState.ACTIVE), "clock", version.active_until or version.created))
    for taken, actor, time in steps:
        yield HistoryRecord(
            key_id=version.key_id,
            version=version.version,
            edge=taken.number,
            source=taken.source,
            target=taken.target,
            actor=actor,
            principal=owner,
            purpose="keystore upgrade",
            reason="this was before histories were kept",
            time=time,
            event_id=event_id,
        )


FIRST_FORMAT = 1
