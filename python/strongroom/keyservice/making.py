"""New keys, new versions, new classes: what a keystore is told of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

from strongroom.crypto import AesWrappingKey
from strongroom.errors import Misuse
from strongroom.keys import Move, check_class_name, edge, kek_binding, new_id
from strongroom.keystore import Change, KeyRecord, VersionRecord
from strongroom.model import DataClass, KeyState

if TYPE_CHECKING:
    from datetime import datetime

    from strongroom.keystore import Snapshot
    from strongroom.providers import Root


def first_change(root: Root, room_id: str, now: datetime) -> Change:
    """What a new room holds: the class `default` and its key."""
    return with_first_key(root, room_id, DataClass(name="default", key_id="", created=now), now)


def with_first_key(root: Root, room_id: str, data_class: DataClass, now: datetime) -> Change:
    """A class that uses a new key, and that key with its first version active."""
    key = KeyRecord(id=new_id(), data_class=data_class.name, primary_version=1, created=now)
    return Change(
        classes=(replace(data_class, key_id=key.id),),
        keys=(key,),
        versions=(new_version(root, room_id, key.id, 1, now),),
    )


def rotation(root: Root, room_id: str, snapshot: Snapshot, key: KeyRecord, now: datetime) -> Change:
    """A new primary version of `key`. The old one stays ACTIVE until the leases on it have ended."""
    versions = snapshot.versions_of(key.id)
    fresh = new_version(root, room_id, key.id, versions[-1].version + 1, now)
    data_class = snapshot.data_class(key.data_class)
    previous = replace(
        snapshot.version(key.id, key.primary_version),
        active_until=now + timedelta(seconds=data_class.lease_seconds),
    )
    settled = [settle(record, now) for record in versions if record.version != key.primary_version]
    return Change(
        keys=(replace(key, primary_version=fresh.version),),
        versions=(fresh, previous, *(record for record in settled if record is not None)),
    )


def new_version(root: Root, room_id: str, key_id: str, version: int, now: datetime) -> VersionRecord:
    """A fresh random KEK, wrapped by the root. It is in clear only inside Rust, and only for this moment."""
    key = AesWrappingKey.generate()
    try:
        wrapped = root.wrap_kek(key, kek_binding(room_id, root.version, key_id, version))
    finally:
        key.close()
    return VersionRecord(
        key_id=key_id,
        version=version,
        state=KeyState.ACTIVE,
        created=now,
        active_until=None,
        root_version=root.version,
        wrapped_kek=wrapped,
    )


def settle(record: VersionRecord, now: datetime) -> VersionRecord | None:
    """`record` with the state that time has brought it to, None if it is stored already."""
    state = record.state_at(now)
    if state is record.state:
        return None
    edge(Move.DEACTIVATE, record.state)
    return replace(record, state=state)


def check_class(data_class: DataClass) -> None:
    """Raises Misuse unless every value of a new class is in range."""
    check_class_name(data_class.name)
    if data_class.suite not in WRITTEN_SUITES:
        raise Misuse(f"suite {data_class.suite:#06x} is not written: choose 0x0478, or 0x0578 for signed messages")
    for name, low, high in RANGES:
        value = getattr(data_class, name)
        if not low <= value <= high:
            raise Misuse(f"{name} is {value}, and must be {low} to {high}")


WRITTEN_SUITES = (0x0478, 0x0578)
RANGES = (
    # what readers take without being told: a room must be able to read what it writes
    ("frame_length", 1, 16 << 20),
    ("lease_seconds", 0, 31_536_000),
    ("max_messages", 1, 2**32),
    ("max_bytes", 1, 2**60),
)
# creation goes through both at once: nothing waits for an activation date yet
CREATION_EDGES = (
    edge(Move.CREATE, None).number,
    edge(Move.ACTIVATE, KeyState.PRE_ACTIVE).number,
)
