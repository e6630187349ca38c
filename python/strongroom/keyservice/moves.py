"""What each move makes of a key and its versions, as steps of a draft. Nobody is asked here, and nothing is stored."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING

from strongroom.audit import KeyCreated, KeyRotated
from strongroom.errors import KeyStateForbids, Misuse
from strongroom.keys import Asker, Move, deactivates, edge_by_time, new_id, scope_from, scope_text
from strongroom.keyservice.census import check_unreferenced
from strongroom.keystore import KeyRecord
from strongroom.model import KeyState

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from strongroom.keyservice.draft import Draft
    from strongroom.keystore import VersionRecord
    from strongroom.model import DataClass


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What people want to know of a key. None leaves a value as it is."""

    owner: str | None = None
    contact: str | None = None
    description: str | None = None
    tags: Mapping[str, str] | None = None

    def given(self) -> dict[str, object]:
        """Those that were given. Raises Misuse for more than a keystore is for."""
        given = {name: getattr(self, name) for name in ABOUT if getattr(self, name) is not None}
        for name, value in given.items():
            if len(str(value)) > MAX_ABOUT:
                raise Misuse(f"the {name} of a key has at most {MAX_ABOUT} characters")
        return given


NOTHING = About()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewKey:
    """A key to be made: for which class and scope, active from when on, and what people shall know of it."""

    data_class: str
    scope: Mapping[str, str] | None = None
    activates: datetime | None = None
    about: About = field(default=NOTHING)


def create(draft: Draft, wanted: NewKey, *, asker: Asker = Asker.OPERATOR) -> KeyRecord:
    """A new key with its first version: active at once, or on its activation date.

    It takes the place of an earlier key of its class and scope when its first version becomes active.
    """
    scope = scope_text(wanted.scope)
    key = KeyRecord(
        id=new_id(),
        data_class=wanted.data_class,
        scope=scope,
        primary_version=0,
        created=draft.now,
        current=draft.current_key(wanted.data_class, scope) is None,
        **wanted.about.given(),  # type: ignore[arg-type] # as named there
    )
    draft.put(key)
    record = draft.new_version(key, asker=asker, activates=wanted.activates)
    if not waits(draft, wanted.activates):
        become_active(draft, record, asker)
    draft.tell(
        KeyCreated(
            who=draft.who,
            time=draft.now,
            data_class=key.data_class,
            scope=scope_from(scope),
            key_id=key.id,
            version=record.version,
            edges=draft.edge_numbers(),
        )
    )
    return draft.key(key.id)


def prepare(draft: Draft, key: KeyRecord, activates: datetime) -> VersionRecord:
    """A version that becomes active, and primary, on a date to come."""
    pending = prepared(draft, key)
    if pending is not None:
        raise KeyStateForbids(
            f"key {key.id} has version {pending.version} waiting already: activate or destroy that one first"
        )
    if not waits(draft, activates):
        raise Misuse("an activation date lies in the future: without one a rotation is at once")
    record = draft.new_version(key, asker=Asker.OPERATOR, activates=activates)
    draft.tell_step(record, Move.CREATE)
    return record


def activate(draft: Draft, record: VersionRecord, *, asker: Asker = Asker.OPERATOR, reason: str | None = None) -> None:
    """Make a version that was prepared active and primary."""
    become_active(draft, record, asker, reason)
    draft.tell_step(record, Move.ACTIVATE)


def rotate(draft: Draft, key: KeyRecord, *, asker: Asker = Asker.OPERATOR) -> VersionRecord:
    """Make a new version primary, or the one that was prepared. The one before stays ACTIVE until its leases have ended."""
    previous = key.primary_version
    record = prepared(draft, key) or draft.new_version(key, asker=asker)
    after = become_active(draft, record, asker)
    draft.tell(
        KeyRotated(
            who=draft.who,
            time=draft.now,
            data_class=key.data_class,
            key_id=key.id,
            version=after.version,
            previous=previous,
            edges=draft.edge_numbers(),
        )
    )
    return after


def become_active(draft: Draft, record: VersionRecord, asker: Asker, reason: str | None = None) -> VersionRecord:
    """Take a version to ACTIVE and the key's primary there with it."""
    after = draft.step(record, Move.ACTIVATE, asker=asker, reason=reason, activated=draft.now)
    key = draft.key(record.key_id)
    if key.primary_version:
        release(draft, draft.version(key.id, key.primary_version))
    elif not key.current:
        replaced = draft.current_key(key.data_class, key.scope)
        if replaced is not None:
            draft.put(replace(replaced, current=False))
    draft.put(replace(key, primary_version=after.version, current=key.current or not key.primary_version))
    return after


def release(draft: Draft, record: VersionRecord) -> None:
    """Let a version that is not primary any more end once the leases on it have."""
    if record.state in {KeyState.ACTIVE, KeyState.SUSPENDED} and record.active_until is None:
        lease = timedelta(seconds=class_of(draft, record).lease_seconds)
        draft.put(replace(record, active_until=draft.now + lease))


def suspend(draft: Draft, record: VersionRecord) -> None:
    """Stop all use of a version, for a time."""
    draft.step(record, Move.SUSPEND, left_state=record.state)
    draft.tell_step(record, Move.SUSPEND)


def resume(draft: Draft, record: VersionRecord) -> None:
    """Allow again what a version was suspended from, unless its time ended meanwhile."""
    draft.step(record, Move.RESUME, left_state=None)
    draft.tell_step(record, Move.RESUME)


def deactivate(
    draft: Draft, record: VersionRecord, *, asker: Asker = Asker.OPERATOR, reason: str | None = None
) -> None:
    """End encryption under a version."""
    ended = draft.now if record.active_until is None else min(draft.now, record.active_until)
    draft.step(record, Move.DEACTIVATE, asker=asker, reason=reason, active_until=ended)
    draft.tell_step(record, Move.DEACTIVATE)


def compromise(draft: Draft, record: VersionRecord) -> None:
    """Say that others may know a version."""
    draft.step(record, Move.COMPROMISE, compromised=True, left_state=None, destroy_at=kept(record))
    draft.tell_step(record, Move.COMPROMISE)


def destroy(draft: Draft, record: VersionRecord, wait: int | None = None) -> None:
    """Schedule the destruction of a version, or destroy one at once under which nothing was ever encrypted."""
    if record.state is KeyState.PRE_ACTIVE:
        draft.step(record, Move.DESTROY, wrapped_kek=None)
        draft.tell_step(record, Move.DESTROY)
        return
    data_class = class_of(draft, record)
    seconds = data_class.destroy_wait if wait is None else wait
    if seconds < data_class.destroy_wait:
        raise Misuse(f"class {data_class.name!r} waits {data_class.destroy_wait} seconds at least before it destroys")
    draft.step(record, Move.DESTROY, left_state=record.state, destroy_at=draft.now + timedelta(seconds=seconds))
    check_unreferenced(draft.before, record, data_class, draft.now)
    draft.tell_step(record, Move.DESTROY)


def restore(draft: Draft, record: VersionRecord) -> None:
    """Take back a scheduled destruction."""
    draft.step(record, Move.RESTORE, left_state=None, destroy_at=None)
    draft.tell_step(record, Move.RESTORE)


def erase(draft: Draft, record: VersionRecord) -> None:
    """Destroy a version whose wait is over: the key goes, the tombstone and its history stay. Raises KeyStateForbids."""
    if record.destroy_at is None or record.destroy_at > draft.now:
        raise KeyStateForbids(f"key {record.key_id} version {record.version} is not due to be destroyed")
    check_unreferenced(draft.before, record, class_of(draft, record), draft.now)
    reason = f"its destruction was due on {record.destroy_at.isoformat(timespec='seconds')}"
    draft.step(record, Move.ERASE, asker=Asker.CLOCK, reason=reason, wrapped_kek=None)
    draft.tell_step(record, Move.ERASE)


def settle(draft: Draft) -> None:
    """Write down every edge that time has brought and nobody has written down."""
    stored = [] if draft.before is None else list(draft.before.versions)
    for name in stored:
        settle_version(draft, *name)


def settle_version(draft: Draft, key_id: str, version: int) -> None:
    """The same for one version."""
    record = draft.version(key_id, version)
    taken = edge_by_time(record, class_of(draft, record), draft.now)
    if taken is None:
        return
    if taken.move is Move.ACTIVATE:
        previous = draft.key(key_id).primary_version
        activate(draft, record, asker=Asker.CLOCK, reason="its activation date has come")
        if previous:
            # without leases, the one before ends in the same moment
            settle_version(draft, key_id, previous)
        return
    released = record.active_until == deactivates(record, class_of(draft, record))
    why = "the last lease on it has ended" if released else "its originator-usage period has ended"
    deactivate(draft, record, asker=Asker.CLOCK, reason=why)


def prepared(draft: Draft, key: KeyRecord) -> VersionRecord | None:
    """The version of a key that waits to be activated."""
    return next((record for record in draft.versions_of(key.id) if record.state is KeyState.PRE_ACTIVE), None)


def waits(draft: Draft, activates: datetime | None) -> bool:
    """Whether a date is still to come."""
    return activates is not None and activates > draft.now


def class_of(draft: Draft, record: VersionRecord) -> DataClass:
    """The class of a version."""
    return draft.data_class(draft.key(record.key_id).data_class)


def kept(record: VersionRecord) -> datetime | None:
    """The date of a destruction that has happened; one that has not is off."""
    return record.destroy_at if record.state is KeyState.DESTROYED else None


ABOUT = ("owner", "contact", "description", "tags")
MAX_ABOUT = 4096
