"""Audit logs of the room: their list, which the set MAC covers, and how far each was when it was last signed.

So a log that is missing is noticed, and one that was put back to an earlier state. Specified in docs/spec/room.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import Connection, insert, select, update

from strongroom.errors import AuditTampered, RoomTampered
from strongroom.keystore.reading import make_late
from strongroom.keystore.records import LogHead
from strongroom.keystore.rows import as_bytes, as_int, log_to_row
from strongroom.keystore.tables import AUDIT_HEADS, AUDIT_LOGS

if TYPE_CHECKING:
    from strongroom.keystore.records import LogRecord
    from strongroom.keystore.rowmac import RowMac, Value


def list_log(connection: Connection, macs: RowMac, record: LogRecord) -> None:
    """Add a log to the list, with nothing signed yet. The set is not signed yet either."""
    make_late(connection, AUDIT_LOGS)
    connection.execute(insert(AUDIT_LOGS).values(macs.signed(AUDIT_LOGS, log_to_row(record))))
    connection.execute(insert(AUDIT_HEADS).values(macs.signed(AUDIT_HEADS, head_row(record.id, NOTHING))))


def read_head(connection: Connection, macs: RowMac, log: str) -> LogHead:
    """How far a log was. Raises RoomTampered."""
    row = connection.execute(select(AUDIT_HEADS).where(AUDIT_HEADS.c.log == log)).mappings().one_or_none()
    if row is None:
        raise RoomTampered(f"audit_heads {log}: the row is missing, someone removed it")
    macs.check(AUDIT_HEADS, dict(row))
    return LogHead(as_int(row["size"]), as_bytes(row["root"]))


def write_head(connection: Connection, macs: RowMac, log: str, before: LogHead, after: LogHead) -> None:
    """Let `after` take the place of `before`. Raises AuditTampered if something else stands there."""
    found = read_head(connection, macs, log)
    if found != before:
        raise AuditTampered(
            f"the audit log {log} was continued elsewhere, up to {found.size} entries: two copies of it are in use"
        )
    row = macs.signed(AUDIT_HEADS, head_row(log, after))
    connection.execute(update(AUDIT_HEADS).where(AUDIT_HEADS.c.log == log).values(row))


def head_row(log: str, head: LogHead) -> dict[str, Value]:
    """The columns of `audit_heads`."""
    return {"log": log, "size": head.size, "root": head.root}


# SHA-256 of nothing, the root of a log without entries
NOTHING = LogHead(0, bytes.fromhex("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"))
