"""A keystore taken out of its database: every row as it stands, in one order, with its MAC."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.keystore import history
from strongroom.keystore.reading import FORMAT, read_rows
from strongroom.keystore.rows import as_bytes, as_int
from strongroom.keystore.tables import CENSUS, CLASSES, KEY_HISTORY, KEY_VERSIONS, KEYS, LEVELS, SETTINGS, WRAP_COUNTERS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy import Connection, Table

    from strongroom.keystore.records import Snapshot
    from strongroom.keystore.rowmac import RowMac, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Dump:
    """All that a keystore holds, verified, in the order in which it can be put back. `digest` is its snapshot's."""

    format: int
    room: str
    owner: str
    epoch: int
    newest: int
    root_version: int
    wrapped_mac_key: bytes
    digest: str
    rows: tuple[tuple[str, Mapping[str, Value]], ...]


def dump_of(connection: Connection, macs: RowMac, meta: Mapping[str, Value], snapshot: Snapshot) -> Dump:
    """The dump of a keystore whose meta row and members were verified in the same transaction. Checks all other rows."""
    for record in snapshot.versions.values():
        history.read(connection, macs, [record])
    found: list[tuple[str, Mapping[str, Value]]] = []
    for table in DUMPED:
        rows = sorted((row_key(table, row), row) for row in read_rows(connection, table))
        if table is WRAP_COUNTERS:
            for _, row in rows:
                macs.check(table, row)
        found += [(table.name, row) for _, row in rows]
    return Dump(
        format=FORMAT,
        room=str(meta["room"]),
        owner=snapshot.owner,
        epoch=snapshot.epoch,
        newest=as_int(meta["newest"]),
        root_version=snapshot.root_version,
        wrapped_mac_key=as_bytes(meta["wrapped_mac_key"]),
        digest=snapshot.digest,
        rows=tuple(found),
    )


def row_key(table: Table, row: Mapping[str, Value]) -> tuple[bytes, ...]:
    """What puts the rows of a table into one order on every database: the bytes of the primary key."""
    return tuple(ordered(row[column.name]) for column in table.primary_key.columns)


def ordered(value: Value) -> bytes:
    """A value of a primary key as bytes in its order."""
    return value.to_bytes(8, "big") if isinstance(value, int) else str(value).encode("utf-8", "surrogatepass")


# those first that others point to; the outbox is not among them: its events belong to the trail of the room that was
DUMPED = (KEYS, KEY_VERSIONS, CLASSES, LEVELS, CENSUS, KEY_HISTORY, WRAP_COUNTERS, SETTINGS)
