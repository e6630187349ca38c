"""Events between the commit of a change and the audit trail. Specified in docs/spec/room.md, "The outbox".

A change and its events are committed together. Whoever reads the keystore while events wait sends them first, so a change
takes effect once the audit trail has it, and no crash leaves a change without its entry.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, exists, func, insert, select

from strongroom.keystore.records import OutboxEntry
from strongroom.keystore.tables import OUTBOX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom.keystore.rowmac import RowMac

# as a column, so that whoever reads the epoch hears of it in the same statement
IS_WAITING = exists(select(OUTBOX.c.event_id))


def put(connection: Connection, macs: RowMac, entries: Iterable[OutboxEntry]) -> None:
    """Add events behind those that wait."""
    position = connection.execute(select(func.coalesce(func.max(OUTBOX.c.position), 0))).scalar_one()
    for number, entry in enumerate(entries, start=int(position) + 1):
        row = macs.signed(OUTBOX, {"event_id": entry.event_id, "position": number, "line": entry.line})
        connection.execute(insert(OUTBOX).values(row))


def waiting(connection: Connection, macs: RowMac) -> list[OutboxEntry]:
    """The events that wait, in order. Raises RoomTampered for one that is not ours."""
    rows = [dict(row) for row in connection.execute(select(OUTBOX).order_by(OUTBOX.c.position)).mappings()]
    for row in rows:
        macs.check(OUTBOX, row)
    return [OutboxEntry(row["event_id"], row["line"]) for row in rows]


def clear(connection: Connection) -> None:
    """Forget the events, which are in the audit trail now."""
    connection.execute(delete(OUTBOX))
