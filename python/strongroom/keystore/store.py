"""The keystore at work: verified snapshots, changes of the whole set in one transaction, histories, outbox, wrap counters."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Table, delete, insert, select, update

from strongroom.errors import KeystoreUnavailable
from strongroom.keys import log_key_binding, mac_key_binding
from strongroom.keystore import history, logs, outbox
from strongroom.keystore.anchor import Anchor, Mark, check_progress
from strongroom.keystore.counters import MAX_WRAPS, WrapCounters, read_counters, start_counter
from strongroom.keystore.dump import Dump, dump_of
from strongroom.keystore.engine import Database
from strongroom.keystore.reading import (
    check_in_force,
    has_waiting,
    make_late,
    open_mac_key,
    read_members,
    read_meta,
    to_snapshot,
    verified_members,
)
from strongroom.keystore.rowmac import RowMac, Value, pack_members, row_name
from strongroom.keystore.rows import (
    EPOCH,
    NO_TOKEN,
    as_bytes,
    as_int,
    census_to_row,
    class_to_row,
    key_to_row,
    level_to_row,
    setting_to_row,
    storable,
    to_microseconds,
    version_to_row,
)
from strongroom.keystore.tables import CENSUS, CLASSES, KEY_VERSIONS, KEYS, LEVELS, META, SETTINGS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from strongroom.crypto import LogKey
    from strongroom.keystore.engine import Place
    from strongroom.keystore.reading import Root
    from strongroom.keystore.records import Change, HistoryRecord, LogHead, OutboxEntry, Snapshot, VersionRecord


class Keystore:
    """The keystore of one room. Thread-safe; not to be used in a forked child.

    Everything it gives out was verified. Raises RoomTampered naming what does not verify, RoomOutdated for a keystore that
    has to be upgraded first, and KeystoreUnavailable when the database does not answer.
    """

    def __init__(self, place: Place, room_id: str, root: Root, anchors: Path) -> None:
        if isinstance(place, Path) and not place.is_file():
            raise KeystoreUnavailable(f"the keystore {place} is missing")
        self._database = Database(place)
        self._room_id = room_id
        self._lock = threading.RLock()
        try:
            with self._database.reading() as connection:
                key = open_mac_key(read_meta(connection, room_id), room_id, root)
            self._macs = RowMac(key, room_id)
            self._anchor = Anchor(anchors, room_id, key)
            self._counters = WrapCounters(self._database, self._macs)
            self._seen = self._anchor.read()
            self._current: Snapshot | None = None
            self.snapshot()
        except BaseException:
            self._database.close()
            raise

    @property
    def is_file(self) -> bool:
        """Whether it is a file of the room, and so goes where the room goes."""
        return self._database.is_file

    def snapshot(self) -> Snapshot:
        """All that the keystore says now. While it is `unsent`, nothing may be done by it before `deliver`."""
        with self._lock:
            with self._database.reading() as connection:
                snapshot, mark = self._read(connection)
            self._remember(snapshot, mark)
            return snapshot

    def change(self, decide: Callable[[Snapshot], Change]) -> Snapshot:
        """Let `decide` make a change out of the newest state, alone, and commit it under the next epoch.

        What `decide` raises undoes everything. The change takes effect once `deliver` has sent its events.
        """
        with self._lock:
            with self._database.writing() as connection:
                # the rows themselves, not what memory holds of them: what is signed next must not be a stranger's
                before, _ = self._verify(connection)
                self._apply(connection, before, decide(before))
                after, mark = self._verify(connection)
            self._remember(after, mark)
            return after

    def deliver(self, send: Callable[[Sequence[OutboxEntry]], None]) -> None:
        """Give the events that wait to `send`, in order, alone; they are gone from the outbox once it has returned.

        After a crash in between they are sent again, under the ids that they had.
        """
        with self._database.writing() as connection:
            entries = outbox.waiting(connection, self._macs)
            if entries:
                send(entries)
                outbox.clear(connection)

    def pending(self) -> Sequence[OutboxEntry]:
        """The events that wait in the outbox, in order."""
        with self._database.reading() as connection:
            return outbox.waiting(connection, self._macs)

    def history(self, key_id: str, version: int | None = None) -> tuple[HistoryRecord, ...]:
        """The edges that the versions of a key, or one of them, have gone through, by version. Raises KeyNotFound."""
        with self._database.reading() as connection:
            snapshot, _ = self._read(connection)
            snapshot.key(key_id)
            versions = snapshot.versions_of(key_id) if version is None else [snapshot.version(key_id, version)]
            return history.read(connection, self._macs, versions)

    def take_wrap(self, key_id: str, version: int, most: int = MAX_WRAPS) -> None:
        """Count one wrap under a key version, of `most` at the most. Raises LimitExceeded before there are too many."""
        self._counters.take(key_id, version, most)

    def wraps(self) -> Mapping[tuple[str, int], int]:
        """How many wraps were reserved under each key version."""
        with self._database.reading() as connection:
            return read_counters(connection, self._macs)

    def log_key(self, log: str) -> LogKey:
        """The key that signs the checkpoints of an audit log, which the caller closes."""
        return self._macs.key.log_key(log_key_binding(self._room_id, log))

    def sign(self, said: bytes) -> bytes:
        """HMAC-SHA256 under the MAC key over `said`, which begins with what it is for."""
        return self._macs.key.sign(said)

    def verify(self, said: bytes, mac: bytes) -> None:
        """Raises AuthenticationFailed unless `mac` is what `sign` gives, compared in constant time."""
        self._macs.key.verify(said, mac)

    def log_head(self, log: str) -> LogHead:
        """How far an audit log was when it was last signed."""
        with self._database.reading() as connection:
            return logs.read_head(connection, self._macs, log)

    def advance_log(self, log: str, before: LogHead, after: LogHead) -> None:
        """Remember that an audit log has come from `before` to `after`. Raises AuditTampered if it was not there."""
        with self._database.writing() as connection:
            check_in_force(read_meta(connection, self._room_id))
            logs.write_head(connection, self._macs, log, before, after)

    def mac_key_under(self, root: Root) -> bytes:
        """The MAC key, wrapped by another root."""
        return root.wrap_mac_key(self._macs.key, mac_key_binding(self._room_id, root.version))

    def dump(self) -> Dump:
        """Everything, verified, for a backup or another database."""
        with self._lock, self._database.reading() as connection:
            snapshot, _ = self._verify(connection)
            return dump_of(connection, self._macs, read_meta(connection, self._room_id), snapshot)

    def close(self) -> None:
        """Close the database and wipe the MAC key."""
        self._database.close()
        self._macs.close()

    def _read(self, connection: Connection) -> tuple[Snapshot, Mark]:
        """The state in a transaction, from memory if it is the one that was verified last."""
        state = connection.execute(select(META.c.epoch, META.c.mac, outbox.IS_WAITING.label("unsent"))).first()
        current, seen = self._current, self._seen
        if current and seen and state and seen.is_same(Mark(state.epoch, as_bytes(state.mac))):
            return replace(current, unsent=bool(state.unsent)), seen
        return self._verify(connection)

    def _verify(self, connection: Connection) -> tuple[Snapshot, Mark]:
        """The state in a transaction, every row of it verified."""
        meta = read_meta(connection, self._room_id)
        members = verified_members(connection, self._macs, meta)
        check_in_force(meta)
        mark = Mark(as_int(meta["epoch"]), as_bytes(meta["mac"]))
        check_progress(self._seen, mark)
        return to_snapshot(meta, members, unsent=has_waiting(connection)), mark

    def _remember(self, snapshot: Snapshot, mark: Mark) -> None:
        if self._current is None or self._seen is None or not mark.is_same(self._seen):
            self._anchor.advance(mark)
        self._current, self._seen = snapshot, mark

    def _apply(self, connection: Connection, before: Snapshot, change: Change) -> None:
        """Write a change, and sign the set of rows under the next epoch."""
        write_change(connection, self._macs, before.versions, change)
        values = dict(read_meta(connection, self._room_id))
        values |= {"epoch": before.epoch + 1, "newest": to_microseconds(max(before.newest, newest(change)))}
        if change.root is not None:
            values |= {"root_version": change.root.version, "wrapped_mac_key": change.root.wrapped_mac_key}
        seal(connection, self._macs, values)


def write_change(
    connection: Connection, macs: RowMac, before: Mapping[tuple[str, int], VersionRecord], change: Change
) -> None:
    """Write the rows of a change, with their MACs. The set is not signed yet."""
    for place in change.recounted:
        connection.execute(delete(CENSUS).where(CENSUS.c.place == storable(place)))
    for log in change.logs:
        logs.list_log(connection, macs, log)
    if change.settings:
        make_late(connection, SETTINGS)
    known = {row_name(table, row) for table, row in read_members(connection)}
    versions = history.append(connection, macs, before, change)
    for table, values in rows_of(change, versions):
        name, row = row_name(table, values), macs.signed(table, values)
        if table is LEVELS and name not in known:
            if (values["level"], values["token"]) == NO_TOKEN:
                continue
            make_late(connection, LEVELS)
        if name in known:
            ours = [column == row[column.name] for column in table.primary_key.columns]
            connection.execute(update(table).where(*ours).values(row))
            continue
        connection.execute(insert(table).values(row))
        if table is KEY_VERSIONS:
            start_counter(connection, macs, str(values["key_id"]), as_int(values["version"]))
    outbox.put(connection, macs, change.outbox)


def rows_of(change: Change, versions: Sequence[VersionRecord]) -> Iterator[tuple[Table, dict[str, Value]]]:
    """The rows of a change, those first that others point to."""
    yield from ((KEYS, key_to_row(record)) for record in change.keys)
    yield from ((KEY_VERSIONS, version_to_row(record)) for record in versions)
    yield from ((CLASSES, class_to_row(record)) for record in change.classes)
    yield from ((LEVELS, level_to_row(record)) for record in change.classes)
    yield from ((CENSUS, census_to_row(record)) for record in change.census)
    yield from ((SETTINGS, setting_to_row(record)) for record in change.settings)


def seal(connection: Connection, macs: RowMac, values: Mapping[str, Value]) -> None:
    """Sign the set of rows: put the meta row in its place, with what it lists."""
    row = macs.signed(META, {**values, "members": pack_members(read_members(connection))})
    connection.execute(delete(META))
    connection.execute(insert(META).values(row))


def newest(change: Change) -> datetime:
    """The latest time that a change records."""
    times = [record.created for records in (change.classes, change.keys, change.versions) for record in records]
    times += [record.time for record in change.history]
    times += [record.taken for record in change.census]
    times += [record.created for record in change.logs]
    times += [record.changed for record in change.settings]
    return max(times, default=EPOCH)
