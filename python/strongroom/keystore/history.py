"""The history of each key version: a chain of edges whose head stands in the version's own row.

Each row's MAC covers the MAC of the row before it, so histories need not be listed in the set of rows: whoever edits, drops,
swaps or adds one breaks the chain, or the head no longer fits. Specified in docs/spec/room.md, "Histories".
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select

from strongroom.crypto import ct_eq
from strongroom.errors import InternalError, RoomTampered
from strongroom.keystore.rowmac import row_name
from strongroom.keystore.rows import as_bytes, history_to_row, to_history
from strongroom.keystore.tables import KEY_HISTORY, KEY_VERSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.keystore.records import Change, HistoryRecord, VersionRecord
    from strongroom.keystore.rowmac import RowMac, Value
    from strongroom.model import KeyState

    Versions = Mapping[tuple[str, int], VersionRecord]


def append(connection: Connection, macs: RowMac, before: Versions, change: Change) -> list[VersionRecord]:
    """Write the history of `change`, and return its versions with the heads of their histories.

    Raises InternalError if a version would change its state without the edges that lead there.
    """
    after = {(record.key_id, record.version): with_head(record, before) for record in change.versions}
    states = {name: stored.state for name, stored in before.items()}
    for record in change.history:
        name = (record.key_id, record.version)
        version = after.get(name) or before[name]
        if record.source is not states.get(name):
            raise unexplained(name, states.get(name), record.source)
        states[name] = record.target
        after[name] = write(connection, macs, version, record)
    for name, version in after.items():
        if version.state is not states.get(name):
            raise unexplained(name, states.get(name), version.state)
    return list(after.values())


def write(connection: Connection, macs: RowMac, version: VersionRecord, record: HistoryRecord) -> VersionRecord:
    """Write one edge behind the head of a version's history."""
    number = version.edges + 1
    row = macs.signed(KEY_HISTORY, history_to_row(replace(record, number=number)), after=version.history_mac)
    connection.execute(insert(KEY_HISTORY).values(row))
    return replace(version, edges=number, history_mac=as_bytes(row["mac"]))


def read(connection: Connection, macs: RowMac, versions: Sequence[VersionRecord]) -> tuple[HistoryRecord, ...]:
    """The histories of some versions of one key, verified. Raises RoomTampered naming the row that does not fit."""
    found: list[HistoryRecord] = []
    for version in versions:
        ours = (KEY_HISTORY.c.key_id == version.key_id, KEY_HISTORY.c.version == version.version)
        rows = connection.execute(select(KEY_HISTORY).where(*ours).order_by(KEY_HISTORY.c.number)).mappings()
        found += check(macs, version, [dict(row) for row in rows])
    return tuple(found)


def check(macs: RowMac, version: VersionRecord, rows: Sequence[Mapping[str, Value]]) -> list[HistoryRecord]:
    """The history of one version out of its rows by number."""
    head, records = b"", []
    for number, row in enumerate(rows, start=1):
        if row["number"] != number:
            missing = row_name(KEY_HISTORY, {**row, "number": number})
            raise RoomTampered(f"{missing}: the row is missing, someone removed it")
        macs.check(KEY_HISTORY, row, after=head)
        head = as_bytes(row["mac"])
        records.append(to_history(row))
    if len(rows) < version.edges:
        missing = f"{KEY_HISTORY.name} {version.key_id}/{version.version}/{len(rows) + 1}"
        raise RoomTampered(f"{missing}: the row is missing, someone removed it")
    if len(rows) > version.edges or not ct_eq(head, version.history_mac):
        name = f"{KEY_VERSIONS.name} {version.key_id}/{version.version}"
        raise RoomTampered(f"{name}: its history is not the one that it had, someone added to it or put back an older")
    return records


def with_head(record: VersionRecord, before: Versions) -> VersionRecord:
    """A version of a change with the head of the history that is stored."""
    stored = before.get((record.key_id, record.version))
    if stored is None:
        return replace(record, edges=0, history_mac=b"")
    return replace(record, edges=stored.edges, history_mac=stored.history_mac)


def unexplained(name: tuple[str, int], source: KeyState | None, target: KeyState | None) -> InternalError:
    """The error for a change of state without an edge."""
    return InternalError(f"key {name[0]} version {name[1]} would go from {source} to {target} without an edge")
