"""A keystore examined from end to end: everything that does not verify, by name, and not only the first.

What opening a room verifies, and what only this does: every history, every counter, the outbox, and that each KEK unwraps under
the root.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import Connection, select

from strongroom.errors import AuthenticationFailed, InternalError, KeystoreMoved, RoomTampered
from strongroom.keys import IN_TOKEN, kek_binding
from strongroom.keystore import history
from strongroom.keystore.anchor import Anchor, Mark, check_progress
from strongroom.keystore.engine import Database
from strongroom.keystore.reading import (
    check_in_force,
    has_waiting,
    open_mac_key,
    read_members,
    read_meta,
    read_rows,
    to_snapshot,
)
from strongroom.keystore.rowmac import RowMac
from strongroom.keystore.rows import as_bytes, as_int
from strongroom.keystore.tables import AUDIT_HEADS, KEY_HISTORY, META, OUTBOX, WRAP_COUNTERS
from strongroom.model import KeyState

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from strongroom.keystore.engine import Place
    from strongroom.keystore.reading import Root, Row
    from strongroom.keystore.records import Snapshot, VersionRecord


@dataclass(frozen=True, slots=True)
class Findings:
    """What is wrong, in order; and how much there is, if it could be read: rows by table, the epoch and the digest."""

    wrong: tuple[str, ...]
    rows: Mapping[str, int]
    epoch: int = 0
    digest: str = ""


def check_keystore(place: Place, room_id: str, root: Root, anchors: Path) -> Findings:
    """Verify everything in the keystore at `place`. Raises what keeps it from being read at all."""
    database = Database(place)
    try:
        with database.reading() as connection:
            meta = read_meta(connection, room_id)
            macs = RowMac(open_mac_key(meta, room_id, root), room_id)
            try:
                return Examination(connection, macs, room_id, root, meta).findings(anchors)
            finally:
                macs.close()
    finally:
        database.close()


class Examination:
    """One look at everything."""

    def __init__(self, connection: Connection, macs: RowMac, room_id: str, root: Root, meta: Row) -> None:
        self._connection = connection
        self._macs = macs
        self._room_id = room_id
        self._root = root
        self._meta = meta
        self._members = read_members(connection)

    def findings(self, anchors: Path) -> Findings:
        """What is wrong."""
        wrong = [*self._wrong_in_the_set(anchors), *self._wrong_beside_the_set()]
        rows = {
            table.name: len(read_rows(self._connection, table))
            for table in (KEY_HISTORY, WRAP_COUNTERS, AUDIT_HEADS, OUTBOX)
        }
        for table, _ in self._members:
            rows[table.name] = rows.get(table.name, 0) + 1
        snapshot = None
        if not wrong:
            snapshot, found = self._snapshot()
            wrong += found
        if snapshot is None:
            return Findings(tuple(dict.fromkeys(wrong)), rows)
        wrong += self._wrong_with_versions(snapshot)
        return Findings(tuple(dict.fromkeys(wrong)), rows, snapshot.epoch, snapshot.digest)

    def _wrong_in_the_set(self, anchors: Path) -> Iterator[str]:
        """What opening a room finds, too, but all of it."""
        yield from said(self._macs.check, META, self._meta)
        for table, row in self._members:
            yield from said(self._macs.check, table, row)
        yield from self._macs.faults(as_bytes(self._meta["members"]), self._members)
        mark = Mark(as_int(self._meta["epoch"]), as_bytes(self._meta["mac"]))
        yield from said(lambda: check_progress(self._anchor(anchors).read(), mark))

    def _anchor(self, anchors: Path) -> Anchor:
        return Anchor(anchors, self._room_id, self._macs.key)

    def _wrong_beside_the_set(self) -> Iterator[str]:
        """Counters, heads of logs and outbox, which have MACs of their own."""
        for table in (WRAP_COUNTERS, AUDIT_HEADS, OUTBOX):
            for row in read_rows(self._connection, table):
                yield from said(self._macs.check, table, row)

    def _snapshot(self) -> tuple[Snapshot | None, list[str]]:
        try:
            check_in_force(self._meta)
            return to_snapshot(self._meta, self._members, unsent=has_waiting(self._connection)), []
        except (RoomTampered, InternalError, KeystoreMoved) as error:
            return None, [str(error)]

    def _wrong_with_versions(self, snapshot: Snapshot) -> Iterator[str]:
        """Histories, counters and KEKs of every version, and rows of versions that are not there."""
        for _, version in sorted(snapshot.versions.items()):
            yield from said(history.read, self._connection, self._macs, [version])
            yield from self._wrong_with_kek(version)
        for table in (KEY_HISTORY, WRAP_COUNTERS):
            seen = {(str(row["key_id"]), as_int(row["version"])) for row in read_rows(self._connection, table)}
            yield from (
                f"{table.name} {key_id}/{version}: it belongs to no version of a key, someone added it"
                for key_id, version in sorted(seen - snapshot.versions.keys())
            )
        counted = read_counter_names(self._connection)
        for key_id, number in sorted(snapshot.versions.keys() - counted):
            yield f"wrap_counters {key_id}/{number}: the row is missing, someone removed it"
        yield from wrong_with_keys(snapshot)
        yield from self._wrong_with_logs(snapshot)

    def _wrong_with_logs(self, snapshot: Snapshot) -> Iterator[str]:
        """A head for each log, and no other."""
        heads = {str(row["log"]) for row in read_rows(self._connection, AUDIT_HEADS)}
        yield from (
            f"audit_heads {log}: the row is missing, someone removed it" for log in sorted(snapshot.logs.keys() - heads)
        )
        yield from (
            f"audit_heads {log}: it belongs to no log, someone added it" for log in sorted(heads - snapshot.logs.keys())
        )

    def _wrong_with_kek(self, version: VersionRecord) -> Iterator[str]:
        name = f"key_versions {version.key_id}/{version.version}"
        if version.wrapped_kek is None:
            if version.state is not KeyState.DESTROYED:
                yield f"{name}: it is {version.state} and has no KEK"
            return
        if version.root_version == IN_TOKEN:
            # which is not asked: it may be elsewhere
            yield from said(lambda: version.token_kek)
            return
        try:
            binding = kek_binding(self._room_id, version.root_version, version.key_id, version.version)
            self._root.unwrap_kek(version.wrapped_kek, binding).close()
        except AuthenticationFailed:
            yield f"{name}: the wrapped KEK is not one that this room's root has wrapped"


def read_counter_names(connection: Connection) -> set[tuple[str, int]]:
    """The versions that have a counter."""
    rows = connection.execute(select(WRAP_COUNTERS.c.key_id, WRAP_COUNTERS.c.version))
    return {(row.key_id, row.version) for row in rows}


def wrong_with_keys(snapshot: Snapshot) -> Iterator[str]:
    """Keys that point nowhere."""
    for key in snapshot.keys.values():
        if key.data_class not in snapshot.classes:
            yield f"keys {key.id}: there is no class {key.data_class!r}"
        if key.primary_version and (key.id, key.primary_version) not in snapshot.versions:
            yield f"keys {key.id}: its primary version {key.primary_version} is not there"


def said(check: Callable[..., object], *arguments: object) -> Iterator[str]:
    """What a check says is wrong."""
    try:
        check(*arguments)
    except RoomTampered as error:
        yield str(error)
