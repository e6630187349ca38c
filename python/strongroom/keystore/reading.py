"""The rows of a keystore as they are read: the meta row, the members of the set, and the snapshot that they make."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING
from weakref import WeakSet

from sqlalchemy import Connection, Engine, Table, inspect, select

from strongroom.errors import (
    AuthenticationFailed,
    InternalError,
    KeystoreMoved,
    RoomOutdated,
    RoomTampered,
    UnsupportedFormat,
)
from strongroom.keys import length_prefixed, mac_key_binding
from strongroom.keystore.outbox import IS_WAITING
from strongroom.keystore.records import Snapshot
from strongroom.keystore.rowmac import unpack_members
from strongroom.keystore.rows import (
    NO_TOKEN,
    as_bytes,
    as_int,
    from_microseconds,
    to_census,
    to_class,
    to_key,
    to_level,
    to_log,
    to_setting,
    to_version,
)
from strongroom.keystore.tables import (
    AUDIT_LOGS,
    CENSUS,
    CLASSES,
    KEY_VERSIONS,
    KEYS,
    LATE,
    LEVELS,
    MEMBERS,
    META,
    SETTINGS,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Protocol

    from strongroom.crypto import AesWrappingKey, MacKey
    from strongroom.keystore.records import KeyRecord, VersionRecord
    from strongroom.keystore.rowmac import RowMac, Value

    Row = Mapping[str, Value]

    class Root(Protocol):
        """What a keystore asks of a root key."""

        @property
        def version(self) -> int: ...  # noqa: D102 - see providers.Root
        def wrap_mac_key(self, key: MacKey, binding: bytes) -> bytes: ...  # noqa: D102 - see providers.Root
        def unwrap_mac_key(self, wrapped: bytes, binding: bytes) -> MacKey: ...  # noqa: D102 - see providers.Root
        def unwrap_kek(self, wrapped: bytes, binding: bytes) -> AesWrappingKey: ...  # noqa: D102 - see providers.Root


FORMAT = 2
COMPLETE: WeakSet[Engine] = WeakSet()
"""Engines of databases in which every table is."""


def read_meta(connection: Connection, room_id: str) -> Row:
    """The one row that speaks for the keystore. Not yet authenticated."""
    # the format first: the other columns of an older or newer one are not those that are known here
    formats = list(connection.execute(select(META.c.format)).scalars())
    if len(formats) != 1:
        raise RoomTampered(f"meta: {len(formats)} rows where there is one, someone added or removed some")
    check_format(as_int(formats[0]))
    (meta,) = read_rows(connection, META)
    if meta["room"] != room_id:
        raise RoomTampered("meta 1: the keystore belongs to another room")
    return meta


def open_mac_key(meta: Row, room_id: str, root: Root) -> MacKey:
    """The key that authenticates the rows, unwrapped by the root. Raises RoomTampered."""
    if meta["root_version"] != root.version:
        raise RoomTampered(
            f"meta 1: the keystore is wrapped by root version {meta['root_version']!r}, not {root.version}"
        )
    try:
        return root.unwrap_mac_key(as_bytes(meta["wrapped_mac_key"]), mac_key_binding(room_id, root.version))
    except AuthenticationFailed:
        raise RoomTampered("meta 1: the wrapped MAC key is not one that this room's root has wrapped") from None


def check_in_force(meta: Row) -> None:
    """Raises KeystoreMoved if the keystore has been moved elsewhere."""
    if meta["moved_to"] is not None:
        moved_to = str(meta["moved_to"])
        raise KeystoreMoved(f"the keystore was moved to {moved_to}: open the room again", moved_to)


def check_format(found: int) -> None:
    """Raises RoomOutdated or UnsupportedFormat unless the keystore has the format that is known here."""
    if found > FORMAT:
        raise UnsupportedFormat(f"the keystore has format {found}; this version reads up to {FORMAT}")
    if found < FORMAT:
        raise RoomOutdated(
            f"the keystore has format {found}: `strongroom keystore upgrade` backs it up and brings it to {FORMAT}"
        )


def read_rows(connection: Connection, table: Table) -> list[Row]:
    """All rows of a table. Not yet authenticated."""
    if table in LATE and not is_there(connection, table):
        return []
    try:
        return [dict(row) for row in connection.execute(select(table)).mappings()]
    except (TypeError, ValueError) as error:
        raise RoomTampered(f"{table.name}: a row holds what was never written there, someone changed it") from error


def is_there(connection: Connection, table: Table) -> bool:
    """Whether a late table is. Tables stay once they are there, and are looked for only until all are."""
    if connection.engine in COMPLETE:
        return True
    names = inspect(connection).get_table_names()
    # what a writing transaction has made, it may yet take back
    if all(late.name in names for late in LATE) and not connection.get_execution_options()["strongroom_writes"]:
        COMPLETE.add(connection.engine)
    return table.name in names


def make_late(connection: Connection, table: Table) -> None:
    """Make a late table in a keystore of before there were any."""
    if not is_there(connection, table):
        from strongroom.keystore.migrate import upgrade

        upgrade(connection)


def read_members(connection: Connection) -> list[tuple[Table, Row]]:
    """All rows that the set MAC covers. Not yet authenticated."""
    return [(table, row) for table in MEMBERS for row in read_rows(connection, table)]


def verified_members(connection: Connection, macs: RowMac, meta: Row) -> list[tuple[Table, Row]]:
    """All rows that the set MAC covers, which they were checked against. Raises RoomTampered naming the one that fails."""
    macs.check(META, meta)
    members = read_members(connection)
    for table, row in members:
        macs.check(table, row)
    macs.check_set(as_bytes(meta["members"]), members)
    return members


def has_waiting(connection: Connection) -> bool:
    """Whether events wait in the outbox."""
    return bool(connection.execute(select(IS_WAITING)).scalar_one())


def to_snapshot(meta: Row, members: Sequence[tuple[Table, Row]], *, unsent: bool) -> Snapshot:
    """Verified rows as records."""
    keys = [to_key(row) for row in rows(members, KEYS)]
    current = current_keys(keys)
    levels = {str(row["data_class"]): to_level(row) for row in rows(members, LEVELS)}
    classes = [
        to_class(row, current.get((str(row["name"]), None), ""), levels.get(str(row["name"]), NO_TOKEN))
        for row in rows(members, CLASSES)
    ]
    versions = [to_version(row) for row in rows(members, KEY_VERSIONS)]
    return Snapshot(
        epoch=as_int(meta["epoch"]),
        owner=str(meta["owner"]),
        newest=from_microseconds(as_int(meta["newest"])),
        root_version=as_int(meta["root_version"]),
        digest=digest(meta),
        classes={record.name: record for record in classes},
        keys={record.id: record for record in keys},
        versions={(record.key_id, record.version): record for record in versions},
        by_key=by_key(versions),
        census=tuple(to_census(row) for row in rows(members, CENSUS)),
        current=current,
        logs={record.id: record for record in map(to_log, rows(members, AUDIT_LOGS))},
        settings={record.name: record for record in map(to_setting, rows(members, SETTINGS))},
        unsent=unsent,
    )


def rows(members: Sequence[tuple[Table, Row]], table: Table) -> list[Row]:
    """Those of one table."""
    return [row for of, row in members if of is table]


def by_key(versions: Sequence[VersionRecord]) -> dict[str, list[VersionRecord]]:
    """The versions of each key in order."""
    found: dict[str, list[VersionRecord]] = {}
    for record in sorted(versions, key=lambda record: record.version):
        found.setdefault(record.key_id, []).append(record)
    return found


def current_keys(keys: Sequence[KeyRecord]) -> dict[tuple[str, str | None], str]:
    """The id of the current key of each class and scope. Raises InternalError if there are two."""
    current: dict[tuple[str, str | None], str] = {}
    for key in keys:
        name = (key.data_class, key.scope)
        if key.current and current.setdefault(name, key.id) != key.id:
            raise InternalError(f"keys {current[name]} and {key.id} are both current for class {key.data_class}")
    return current


def digest(meta: Row) -> str:
    """What a verified keystore holds, in one number: the same in every copy of it, whatever its epoch, database and logs."""
    said = (str(meta[name]).encode() for name in ("room", "owner", "root_version"))
    members = members_without(as_bytes(meta["members"]), AUDIT_LOGS)
    return hashlib.sha256(length_prefixed(b"strongroom/1/state", *said, members)).hexdigest()


def members_without(members: bytes, *tables: Table) -> bytes:
    """A list of members, less those of some tables."""
    prefixes = tuple(f"{table.name} " for table in tables)
    left = [(name, mac) for name, mac in unpack_members(members).items() if not name.startswith(prefixes)]
    return length_prefixed(*(part for name, mac in left for part in (name.encode(), mac)))
