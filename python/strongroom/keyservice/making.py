"""New keys, new versions, new classes: what a keystore is told of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from strongroom.audit import ClassCreated, KeyCreated, KeyRotated
from strongroom.crypto import AesWrappingKey
from strongroom.errors import Misuse
from strongroom.keys import Move, check_class_name, edge, kek_binding, new_id
from strongroom.keystore import Change, HistoryRecord, KeyRecord, OutboxEntry, VersionRecord
from strongroom.model import DataClass, KeyState

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from strongroom.audit import Event, Who
    from strongroom.keys import Edge
    from strongroom.keystore import Snapshot
    from strongroom.providers import Root


@dataclass(frozen=True, slots=True)
class Maker:
    """Makes changes for one request: for whom, with which root, and when."""

    root: Root
    room_id: str
    who: Who
    now: datetime

    def first(self) -> Change:
        """What a new room holds: the class `default` and its key."""
        return self.new_class(DataClass(name="default", key_id="", created=self.now))

    def new_class(self, data_class: DataClass) -> Change:
        """A class that uses a new key, and that key."""
        change = self._with_key(data_class)
        made = replace(data_class, key_id=change.keys[0].id)
        return self._told(replace(change, classes=(made,)), class_created(self.who, self.now, made))

    def new_key(self, snapshot: Snapshot, data_class: DataClass) -> Change:
        """A new key for a class, which is its current one instead of the one before."""
        change = self._with_key(data_class)
        before = snapshot.current_key(data_class.name)
        retired = () if before is None else (replace(before, current=False),)
        event = KeyCreated(
            who=self.who,
            time=self.now,
            data_class=data_class.name,
            key_id=change.keys[0].id,
            version=1,
            edges=edge_numbers(change.history),
        )
        return self._told(replace(change, keys=(*change.keys, *retired)), event)

    def rotation(self, snapshot: Snapshot, key: KeyRecord) -> Change:
        """A new primary version of `key`. The old one stays ACTIVE until the leases on it have ended."""
        versions = snapshot.versions_of(key.id)
        fresh = self._new_version(key.id, versions[-1].version + 1)
        data_class = snapshot.data_class(key.data_class)
        previous = replace(
            snapshot.version(key.id, key.primary_version),
            active_until=self.now + timedelta(seconds=data_class.lease_seconds),
        )
        others = [record for record in versions if record.version != key.primary_version]
        settled = [record for record in others if record.state_at(self.now) is not record.state]
        born = self._born(fresh)
        change = Change(
            keys=(replace(key, primary_version=fresh.version),),
            versions=(fresh, previous, *(replace(record, state=record.state_at(self.now)) for record in settled)),
            history=(*born, *(self._settling(record) for record in settled)),
        )
        event = KeyRotated(
            who=self.who,
            time=self.now,
            data_class=key.data_class,
            key_id=key.id,
            version=fresh.version,
            previous=key.primary_version,
            edges=edge_numbers(born),
            deactivated=tuple(record.version for record in settled),
        )
        return self._told(change, event)

    def _with_key(self, data_class: DataClass) -> Change:
        """A new key with its first version active."""
        key = KeyRecord(id=new_id(), data_class=data_class.name, primary_version=1, created=self.now)
        version = self._new_version(key.id, 1)
        return Change(keys=(key,), versions=(version,), history=self._born(version))

    def _new_version(self, key_id: str, version: int) -> VersionRecord:
        return replace(new_version(self.root, self.room_id, key_id, version, self.now), activated=self.now)

    def _born(self, record: VersionRecord) -> tuple[HistoryRecord, ...]:
        """The edges of a version that is ACTIVE from the start: nothing waits for an activation date yet."""
        steps = (edge(Move.CREATE, None), edge(Move.ACTIVATE, KeyState.PRE_ACTIVE))
        return tuple(self._step(record, step, self.who.actor, self.who.reason) for step in steps)

    def _settling(self, record: VersionRecord) -> HistoryRecord:
        """The edge that time has taken a version through."""
        return self._step(record, edge(Move.DEACTIVATE, record.state), CLOCK, "the leases on it have ended")

    def _step(self, record: VersionRecord, taken: Edge, actor: str, reason: str) -> HistoryRecord:
        return HistoryRecord(
            key_id=record.key_id,
            version=record.version,
            edge=taken.number,
            source=taken.source,
            target=taken.target,
            actor=actor,
            principal=self.who.principal,
            purpose=self.who.purpose,
            reason=reason,
            time=self.now,
            event_id="",
        )

    @staticmethod
    def _told(change: Change, event: Event) -> Change:
        """A change with the event that tells of it, which its history names."""
        history = tuple(replace(record, event_id=event.id) for record in change.history)
        return replace(change, history=history, outbox=(OutboxEntry(event.id, event.line()),))


def class_created(who: Who, now: datetime, data_class: DataClass) -> ClassCreated:
    """The event of a new class."""
    return ClassCreated(
        who=who,
        time=now,
        data_class=data_class.name,
        key_id=data_class.key_id,
        suite=data_class.suite,
        frame_length=data_class.frame_length,
        lease_seconds=data_class.lease_seconds,
        max_messages=data_class.max_messages,
        max_bytes=data_class.max_bytes,
    )


def edge_numbers(history: Iterable[HistoryRecord]) -> tuple[int, ...]:
    """The numbers of the edges in a history."""
    return tuple(record.edge for record in history)


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
CLOCK = "clock"
