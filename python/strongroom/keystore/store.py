"""The keystore at work: verified snapshots, changes of the whole set in one transaction, wrap counters."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, insert, select, update

from strongroom.errors import AuthenticationFailed, KeystoreUnavailable, RoomTampered, UnsupportedFormat
from strongroom.files import create_private
from strongroom.keys import mac_key_binding
from strongroom.keystore.anchor import Anchor, Mark, check_progress
from strongroom.keystore.counters import WrapCounters, start_counter
from strongroom.keystore.engine import Database
from strongroom.keystore.records import (
    KeyRecord,
    Snapshot,
    VersionRecord,
    class_to_row,
    from_microseconds,
    key_to_row,
    version_to_row,
)
from strongroom.keystore.rowmac import RowMac, Value, pack_members, row_name
from strongroom.keystore.tables import CLASSES, KEY_VERSIONS, KEYS, MEMBERS, META
from strongroom.model import DataClass, KeyState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path
    from typing import Protocol

    from strongroom.crypto import MacKey

    class Root(Protocol):
        """What a keystore asks of a root key."""

        @property
        def version(self) -> int: ...  # noqa: D102 - see providers.Root
        def wrap_mac_key(self, key: MacKey, binding: bytes) -> bytes: ...  # noqa: D102 - see providers.Root
        def unwrap_mac_key(self, wrapped: bytes, binding: bytes) -> MacKey: ...  # noqa: D102 - see providers.Root


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Records to put into the keystore, new or in the place of those with the same name."""

    classes: tuple[DataClass, ...] = ()
    keys: tuple[KeyRecord, ...] = ()
    versions: tuple[VersionRecord, ...] = ()


class Keystore:
    """The keystore of one room. Thread-safe; not to be used in a forked child.

    Everything it gives out was verified. Raises RoomTampered naming what does not verify, and KeystoreUnavailable when
    the database does not answer.
    """

    def __init__(self, path: Path, room_id: str, root: Root, anchors: Path) -> None:
        if not path.is_file():
            raise KeystoreUnavailable(f"the keystore {path} is missing")
        self._database = Database(path)
        self._room_id = room_id
        self._lock = threading.RLock()
        try:
            key = self._open_mac_key(root)
            self._macs = RowMac(key, room_id)
            self._anchor = Anchor(anchors, room_id, key)
            self._counters = WrapCounters(self._database, self._macs)
            self._seen = self._anchor.read()
            self._current: Snapshot | None = None
            self.snapshot()
        except BaseException:
            self._database.close()
            raise

    def snapshot(self) -> Snapshot:
        """All that the keystore says now."""
        with self._lock:
            with self._database.reading() as connection:
                snapshot, mark = self._read(connection)
            self._remember(snapshot, mark)
            return snapshot

    def change(self, decide: Callable[[Snapshot], Change]) -> Snapshot:
        """Let `decide` make a change out of the newest state, alone, and commit it under the next epoch.

        What `decide` raises undoes everything.
        """
        with self._lock:
            with self._database.writing() as connection:
                # the rows themselves, not what memory holds of them: what is signed next must not be a stranger's
                before, _ = self._verify(connection)
                self._apply(connection, decide(before))
                self._seal(connection, before.epoch + 1)
                after, mark = self._verify(connection)
            self._remember(after, mark)
            return after

    def take_wrap(self, key_id: str, version: int) -> None:
        """Count one wrap under a key version. Raises LimitExceeded before there could be too many."""
        self._counters.take(key_id, version)

    def close(self) -> None:
        """Close the database and wipe the MAC key."""
        self._database.close()
        self._macs.close()

    def _open_mac_key(self, root: Root) -> MacKey:
        with self._database.reading() as connection:
            meta = read_meta(connection, self._room_id)
        if meta["root_version"] != root.version:
            raise RoomTampered(
                f"meta 1: the keystore is wrapped by root version {meta['root_version']!r}, not {root.version}"
            )
        try:
            return root.unwrap_mac_key(as_bytes(meta["wrapped_mac_key"]), mac_key_binding(self._room_id, root.version))
        except AuthenticationFailed:
            raise RoomTampered("meta 1: the wrapped MAC key is not one that this room's root has wrapped") from None

    def _read(self, connection: Connection) -> tuple[Snapshot, Mark]:
        """The state in a transaction, from memory if it is the one that was verified last."""
        state = connection.execute(select(META.c.epoch, META.c.mac)).first()
        current, seen = self._current, self._seen
        if current and seen and state and seen.is_same(Mark(state.epoch, as_bytes(state.mac))):
            return current, seen
        return self._verify(connection)

    def _verify(self, connection: Connection) -> tuple[Snapshot, Mark]:
        """The state in a transaction, every row of it verified."""
        meta = read_meta(connection, self._room_id)
        self._macs.check(META, meta)
        rows = [(table, row) for table in MEMBERS for row in read_rows(connection, table)]
        for table, row in rows:
            self._macs.check(table, row)
        self._macs.check_set(as_bytes(meta["members"]), rows)
        mark = Mark(as_int(meta["epoch"]), as_bytes(meta["mac"]))
        check_progress(self._seen, mark)
        return to_snapshot(meta, rows), mark

    def _remember(self, snapshot: Snapshot, mark: Mark) -> None:
        if self._current is None or self._seen is None or not mark.is_same(self._seen):
            self._anchor.advance(mark)
        self._current, self._seen = snapshot, mark

    def _apply(self, connection: Connection, change: Change) -> None:
        known = {row_name(table, row) for table in MEMBERS for row in read_rows(connection, table)}
        for table, values in rows_of(change):
            name, row = row_name(table, values), self._macs.signed(table, values)
            if name in known:
                ours = [column == row[column.name] for column in table.primary_key.columns]
                connection.execute(update(table).where(*ours).values(row))
                continue
            connection.execute(insert(table).values(row))
            if table is KEY_VERSIONS:
                start_counter(connection, self._macs, str(values["key_id"]), as_int(values["version"]))

    def _seal(self, connection: Connection, epoch: int) -> None:
        """Sign the set of rows under `epoch`."""
        meta = read_meta(connection, self._room_id)
        rows = [(table, row) for table in MEMBERS for row in read_rows(connection, table)]
        values = {**meta, "epoch": epoch, "members": pack_members(rows)}
        connection.execute(update(META).values(self._macs.signed(META, values)))


def make_keystore(path: Path, room_id: str, owner: str, root: Root, first: Change) -> None:
    """A new keystore at `path`, at epoch 1, holding `first`. The caller makes sure that a crash leaves no half of it."""
    from strongroom.crypto import MacKey
    from strongroom.keystore.migrate import upgrade

    create_private(path)
    key = MacKey.generate()
    macs = RowMac(key, room_id)
    database = Database(path)
    try:
        with database.writing() as connection:
            upgrade(connection)
            for table, values in rows_of(first):
                connection.execute(insert(table).values(macs.signed(table, values)))
                if table is KEY_VERSIONS:
                    start_counter(connection, macs, str(values["key_id"]), as_int(values["version"]))
            rows = [(table, row) for table in MEMBERS for row in read_rows(connection, table)]
            meta: dict[str, Value] = {
                "id": 1,
                "format": FORMAT,
                "room": room_id,
                "owner": owner,
                "epoch": 1,
                "root_version": root.version,
                "wrapped_mac_key": root.wrap_mac_key(key, mac_key_binding(room_id, root.version)),
                "members": pack_members(rows),
            }
            connection.execute(insert(META).values(macs.signed(META, meta)))
    finally:
        database.close()
        macs.close()


def read_meta(connection: Connection, room_id: str) -> Mapping[str, Value]:
    """The one row that speaks for the keystore. Not yet authenticated."""
    rows = read_rows(connection, META)
    if len(rows) != 1:
        raise RoomTampered(f"meta: {len(rows)} rows where there is one, someone added or removed some")
    meta = rows[0]
    if as_int(meta["format"]) > FORMAT:
        raise UnsupportedFormat(f"the keystore has format {meta['format']!r}; this version reads up to {FORMAT}")
    if meta["room"] != room_id:
        raise RoomTampered("meta 1: the keystore belongs to another room")
    return meta


def read_rows(connection: Connection, table: Table) -> list[Mapping[str, Value]]:
    """All rows of a table. Not yet authenticated."""
    try:
        return [dict(row) for row in connection.execute(select(table)).mappings()]
    except (TypeError, ValueError) as error:
        raise RoomTampered(f"{table.name}: a row holds what was never written there, someone changed it") from error


def rows_of(change: Change) -> Iterator[tuple[Table, dict[str, Value]]]:
    """The rows of a change, those first that others point to."""
    yield from ((KEYS, key_to_row(record)) for record in change.keys)
    yield from ((KEY_VERSIONS, version_to_row(record)) for record in change.versions)
    yield from ((CLASSES, class_to_row(record)) for record in change.classes)


def to_snapshot(meta: Mapping[str, Value], rows: list[tuple[Table, Mapping[str, Value]]]) -> Snapshot:
    """Verified rows as records."""
    classes = [to_class(row) for table, row in rows if table is CLASSES]
    keys = [to_key(row) for table, row in rows if table is KEYS]
    versions = [to_version(row) for table, row in rows if table is KEY_VERSIONS]
    return Snapshot(
        epoch=as_int(meta["epoch"]),
        owner=str(meta["owner"]),
        classes={record.name: record for record in classes},
        keys={record.id: record for record in keys},
        versions={(record.key_id, record.version): record for record in versions},
    )


def to_class(row: Mapping[str, Value]) -> DataClass:
    """A row of `classes`."""
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


def to_key(row: Mapping[str, Value]) -> KeyRecord:
    """A row of `keys`."""
    return KeyRecord(
        id=str(row["id"]),
        data_class=str(row["data_class"]),
        primary_version=as_int(row["primary_version"]),
        created=from_microseconds(as_int(row["created"])),
    )


def to_version(row: Mapping[str, Value]) -> VersionRecord:
    """A row of `key_versions`."""
    until = row["active_until"]
    return VersionRecord(
        key_id=str(row["key_id"]),
        version=as_int(row["version"]),
        state=KeyState(str(row["state"])),
        created=from_microseconds(as_int(row["created"])),
        active_until=None if until is None else from_microseconds(as_int(until)),
        root_version=as_int(row["root_version"]),
        wrapped_kek=as_bytes(row["wrapped_kek"]),
    )


def as_int(value: Value) -> int:
    """`value`, which is an integer unless someone changed the database."""
    if not isinstance(value, int):
        raise RoomTampered("the keystore holds something else where a number stands, someone changed it")
    return value


def as_bytes(value: Value) -> bytes:
    """`value`, which is bytes unless someone changed the database."""
    if not isinstance(value, bytes):
        raise RoomTampered("the keystore holds something else where bytes stand, someone changed it")
    return value


FORMAT = 1
