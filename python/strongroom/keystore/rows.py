"""Records as rows of the tables, and back. Specified in docs/spec/room.md, "The keystore"."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from strongroom.errors import RoomTampered
from strongroom.keystore.records import (
    CensusRecord,
    HistoryRecord,
    KeyRecord,
    LogRecord,
    SettingRecord,
    VersionRecord,
)
from strongroom.model import DataClass, KeyState, Level

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.keystore.rowmac import Value

    Row = Mapping[str, Value]

NO_TOKEN = (Level.SOFTWARE, None)
"""The level of a class of which no row says another."""


def class_to_row(record: DataClass) -> dict[str, Value]:
    """The columns of `classes`."""
    return {
        "name": record.name,
        **{name: getattr(record, name) for name in CLASS_NUMBERS},
        "scope_keys": canonical(list(record.scope_keys)),
        "open": int(record.open),
        "created": to_microseconds(record.created),
    }


def level_to_row(record: DataClass) -> dict[str, Value]:
    """The columns of `levels`."""
    return {"data_class": record.name, "level": str(record.level), "token": record.token}


def to_level(row: Row) -> tuple[Level, str | None]:
    """A row of `levels`: the level of a class, and the token of that."""
    token = row["token"]
    return Level(str(row["level"])), None if token is None else str(token)


def to_class(row: Row, key_id: str, level: tuple[Level, str | None] = NO_TOKEN) -> DataClass:
    """A row of `classes`; `key_id` is the current key of the class, "" if it is scoped."""
    return DataClass(
        name=str(row["name"]),
        key_id=key_id,
        **{name: as_int(row[name]) for name in CLASS_NUMBERS},
        scope_keys=tuple(json.loads(str(row["scope_keys"]))),
        open=bool(row["open"]),
        created=from_microseconds(as_int(row["created"])),
        level=level[0],
        token=level[1],
    )


def key_to_row(record: KeyRecord) -> dict[str, Value]:
    """The columns of `keys`."""
    return {
        "id": record.id,
        "data_class": record.data_class,
        "scope": record.scope,
        "current": int(record.current),
        "primary_version": record.primary_version,
        "owner": storable(record.owner),
        "contact": storable(record.contact),
        "description": storable(record.description),
        "tags": canonical(dict(record.tags)),
        "created": to_microseconds(record.created),
    }


def to_key(row: Row) -> KeyRecord:
    """A row of `keys`."""
    scope = row["scope"]
    return KeyRecord(
        id=str(row["id"]),
        data_class=str(row["data_class"]),
        scope=None if scope is None else str(scope),
        current=bool(row["current"]),
        primary_version=as_int(row["primary_version"]),
        owner=str(row["owner"]),
        contact=str(row["contact"]),
        description=str(row["description"]),
        tags=json.loads(str(row["tags"])),
        created=from_microseconds(as_int(row["created"])),
    )


def version_to_row(record: VersionRecord) -> dict[str, Value]:
    """The columns of `key_versions`."""
    return {
        "key_id": record.key_id,
        "version": record.version,
        "state": str(record.state),
        "created": to_microseconds(record.created),
        **{name: time_to_row(getattr(record, name)) for name in VERSION_TIMES},
        "left_state": None if record.left_state is None else str(record.left_state),
        "compromised": int(record.compromised),
        "edges": record.edges,
        "history_mac": record.history_mac,
        "root_version": record.root_version,
        "wrapped_kek": record.wrapped_kek,
    }


def to_version(row: Row) -> VersionRecord:
    """A row of `key_versions`."""
    wrapped = row["wrapped_kek"]
    return VersionRecord(
        key_id=str(row["key_id"]),
        version=as_int(row["version"]),
        state=KeyState(str(row["state"])),
        created=from_microseconds(as_int(row["created"])),
        **{name: to_time(row[name]) for name in VERSION_TIMES},
        left_state=to_state(row["left_state"]),
        compromised=bool(row["compromised"]),
        edges=as_int(row["edges"]),
        history_mac=as_bytes(row["history_mac"]),
        root_version=as_int(row["root_version"]),
        wrapped_kek=None if wrapped is None else as_bytes(wrapped),
    )


def history_to_row(record: HistoryRecord) -> dict[str, Value]:
    """The columns of `key_history`."""
    return {
        "key_id": record.key_id,
        "version": record.version,
        "number": record.number,
        "edge": record.edge,
        "source": None if record.source is None else str(record.source),
        "target": str(record.target),
        **{name: storable(getattr(record, name)) for name in HISTORY_TEXTS},
        "time": to_microseconds(record.time),
        "approvals": record.approvals,
        "event_id": record.event_id,
    }


def to_history(row: Row) -> HistoryRecord:
    """A row of `key_history`."""
    approvals = row["approvals"]
    return HistoryRecord(
        key_id=str(row["key_id"]),
        version=as_int(row["version"]),
        number=as_int(row["number"]),
        edge=as_int(row["edge"]),
        source=to_state(row["source"]),
        target=KeyState(str(row["target"])),
        **{name: str(row[name]) for name in HISTORY_TEXTS},
        time=from_microseconds(as_int(row["time"])),
        approvals=None if approvals is None else str(approvals),
        event_id=str(row["event_id"]),
    )


def census_to_row(record: CensusRecord) -> dict[str, Value]:
    """The columns of `census`."""
    return {
        "place": storable(record.place),
        "key_id": record.key_id,
        "version": record.version,
        "messages": record.messages,
        "bytes": record.bytes,
        "files": record.files,
        "taken": to_microseconds(record.taken),
    }


def to_census(row: Row) -> CensusRecord:
    """A row of `census`."""
    return CensusRecord(
        place=str(row["place"]),
        key_id=str(row["key_id"]),
        version=as_int(row["version"]),
        messages=as_int(row["messages"]),
        bytes=as_int(row["bytes"]),
        files=as_int(row["files"]),
        taken=from_microseconds(as_int(row["taken"])),
    )


def log_to_row(record: LogRecord) -> dict[str, Value]:
    """The columns of `audit_logs`."""
    return {"id": record.id, "place": storable(record.place), "created": to_microseconds(record.created)}


def to_log(row: Row) -> LogRecord:
    """A row of `audit_logs`."""
    return LogRecord(id=str(row["id"]), place=str(row["place"]), created=from_microseconds(as_int(row["created"])))


def setting_to_row(record: SettingRecord) -> dict[str, Value]:
    """The columns of `settings`."""
    return {"name": record.name, "value": storable(record.value), "changed": to_microseconds(record.changed)}


def to_setting(row: Row) -> SettingRecord:
    """A row of `settings`."""
    return SettingRecord(
        name=str(row["name"]), value=str(row["value"]), changed=from_microseconds(as_int(row["changed"]))
    )


def to_state(value: Value) -> KeyState | None:
    """A state, or none."""
    return None if value is None else KeyState(str(value))


def to_time(value: Value) -> datetime | None:
    """A time, or none."""
    return None if value is None else from_microseconds(as_int(value))


def time_to_row(time: datetime | None) -> int | None:
    """A time, or none, as a column holds it."""
    return None if time is None else to_microseconds(time)


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (time - EPOCH) // timedelta(microseconds=1)


def from_microseconds(count: int) -> datetime:
    """The time that `to_microseconds` gave `count` for."""
    return EPOCH + timedelta(microseconds=count)


def canonical(value: list[str] | dict[str, str]) -> str:
    """JSON that is the same for the same value: keys sorted, no spaces."""
    return storable(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False))


def storable(text: str) -> str:
    """`text` as every database takes it: without NUL, and what a command line held that was not UTF-8 marked as such."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


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


CLASS_NUMBERS = (
    "suite",
    "frame_length",
    "lease_seconds",
    "max_messages",
    "max_bytes",
    "rotate_every",
    "originator_usage",
    "recipient_usage",
    "destroy_wait",
    "census_age",
    "max_wraps",
)
VERSION_TIMES = ("activates", "activated", "active_until", "destroy_at")
HISTORY_TEXTS = ("actor", "principal", "purpose", "reason")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
