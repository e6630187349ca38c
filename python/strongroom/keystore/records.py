"""What a keystore says, verified: records as stored, and a snapshot of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from strongroom.errors import KeyNotFound
from strongroom.keys import settled_state
from strongroom.model import DataClass, Description, Key, KeyState, KeyVersion

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.keystore.rowmac import Value


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key without its versions."""

    id: str
    data_class: str
    primary_version: int
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """A key version as stored: `state` is that of the last change, and the KEK is wrapped by a version of the root."""

    key_id: str
    version: int
    state: KeyState
    created: datetime
    active_until: datetime | None
    root_version: int
    wrapped_kek: bytes

    def state_at(self, now: datetime) -> KeyState:
        """The lifecycle state at `now`."""
        return settled_state(self.state, self.active_until, now)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything in a keystore at one epoch, verified. Immutable, so threads share it."""

    epoch: int
    owner: str
    classes: Mapping[str, DataClass]
    keys: Mapping[str, KeyRecord]
    versions: Mapping[tuple[str, int], VersionRecord]

    def data_class(self, name: str) -> DataClass:
        """The class `name`. Raises KeyNotFound."""
        try:
            return self.classes[name]
        except KeyError:
            raise KeyNotFound(f"this room has no data class {name!r}") from None

    def key(self, key_id: str) -> KeyRecord:
        """The key `key_id`. Raises KeyNotFound."""
        try:
            return self.keys[key_id]
        except KeyError:
            raise KeyNotFound(f"this room has no key {key_id}") from None

    def version(self, key_id: str, version: int) -> VersionRecord:
        """A version of a key. Raises KeyNotFound."""
        self.key(key_id)
        try:
            return self.versions[key_id, version]
        except KeyError:
            raise KeyNotFound(f"key {key_id} of this room has no version {version}") from None

    def versions_of(self, key_id: str) -> list[VersionRecord]:
        """All versions of a key in order."""
        found = [record for record in self.versions.values() if record.key_id == key_id]
        return sorted(found, key=lambda record: record.version)

    def describe(self, now: datetime) -> Description:
        """The classes and keys, with states as they are at `now`."""
        keys = sorted(self.keys.values(), key=lambda key: (key.created, key.id))
        return Description(
            classes=tuple(self.classes[name] for name in sorted(self.classes)),
            keys=tuple(self._describe_key(key, now) for key in keys),
        )

    def _describe_key(self, key: KeyRecord, now: datetime) -> Key:
        versions = tuple(
            KeyVersion(
                version=record.version,
                state=record.state_at(now),
                created=record.created,
                primary=record.version == key.primary_version,
                active_until=record.active_until,
                root_version=record.root_version,
            )
            for record in self.versions_of(key.id)
        )
        return Key(
            id=key.id,
            data_class=key.data_class,
            scope=None,
            primary=key.primary_version,
            versions=versions,
            created=key.created,
        )


def class_to_row(record: DataClass) -> dict[str, Value]:
    """The columns of `classes`."""
    return {
        "name": record.name,
        "key_id": record.key_id,
        "suite": record.suite,
        "frame_length": record.frame_length,
        "lease_seconds": record.lease_seconds,
        "max_messages": record.max_messages,
        "max_bytes": record.max_bytes,
        "created": to_microseconds(record.created),
    }


def key_to_row(record: KeyRecord) -> dict[str, Value]:
    """The columns of `keys`."""
    return {
        "id": record.id,
        "data_class": record.data_class,
        "scope": None,
        "primary_version": record.primary_version,
        "created": to_microseconds(record.created),
    }


def version_to_row(record: VersionRecord) -> dict[str, Value]:
    """The columns of `key_versions`."""
    return {
        "key_id": record.key_id,
        "version": record.version,
        "state": str(record.state),
        "created": to_microseconds(record.created),
        "active_until": None if record.active_until is None else to_microseconds(record.active_until),
        "root_version": record.root_version,
        "wrapped_kek": record.wrapped_kek,
    }


def to_microseconds(time: datetime) -> int:
    """Microseconds since 1970 in UTC."""
    return (time - EPOCH) // timedelta(microseconds=1)


def from_microseconds(count: int) -> datetime:
    """The time that `to_microseconds` gave `count` for."""
    return EPOCH + timedelta(microseconds=count)


EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
