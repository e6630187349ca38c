"""What a keystore says, verified: records as stored, and a snapshot of all of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom.errors import ClassNotFound, KeyNotFound
from strongroom.keys import IN_TOKEN, TokenKek, scope_from
from strongroom.model import Description, Key, KeyState, KeyVersion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from strongroom.model import DataClass


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """A key without its versions. `scope` is canonical (see `strongroom.keys.scope_text`), None for an unscoped class.

    At most one key of a class and scope is `current`. `primary_version` is 0 while there is none.
    """

    id: str
    data_class: str
    primary_version: int
    created: datetime
    scope: str | None = None
    current: bool = True
    owner: str = ""
    contact: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRecord:
    """A key version as stored: `state` is that of the last change, and the KEK is wrapped by a version of the root.

    Where that is 0 the KEK is in a token, and `wrapped_kek` says where. It is None once the version is DESTROYED. `edges` and `history_mac` are the head of its history, which the
    keystore keeps: what a change says of them is not looked at.
    """

    key_id: str
    version: int
    state: KeyState
    created: datetime
    active_until: datetime | None
    root_version: int
    wrapped_kek: bytes | None
    activates: datetime | None = None
    activated: datetime | None = None
    destroy_at: datetime | None = None
    left_state: KeyState | None = None
    compromised: bool = False
    edges: int = 0
    history_mac: bytes = field(default=b"", compare=False)

    @property
    def token_kek(self) -> TokenKek | None:
        """The KEK in a token that this names; None for one that the root has wrapped, and for none. Raises RoomTampered."""
        if self.root_version != IN_TOKEN or self.wrapped_kek is None:
            return None
        return TokenKek.from_stored(self.wrapped_kek)


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryRecord:
    """An edge that a key version has gone through: which, who brought it about, and why.

    `edge` is its number (see `strongroom.keys.EDGES`); `source` is None for what did not exist before. `actor` is the OS
    user, or `clock`. `event_id` names the entry in the audit trail. The keystore gives the `number`, 1 for a version's
    first edge.
    """

    key_id: str
    version: int
    edge: int
    source: KeyState | None
    target: KeyState
    actor: str
    principal: str
    purpose: str
    reason: str
    time: datetime
    event_id: str
    approvals: str | None = None
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusRecord:
    """What was counted at a place under one key version. A place also has one for key "" and version 0: the whole of it."""

    place: str
    key_id: str
    version: int
    messages: int
    bytes: int
    files: int
    taken: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    """An audit log of the room: `place` is where it began, as host and directory."""

    id: str
    place: str
    created: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingRecord:
    """A setting of the room: what it is called, its value as canonical JSON, and when it got it."""

    name: str
    value: str
    changed: datetime


@dataclass(frozen=True, slots=True)
class LogHead:
    """How far a log was when it was last signed: its entries, and the root over them."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RootChange:
    """A new version of the root, and the MAC key wrapped by it."""

    version: int
    wrapped_mac_key: bytes


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """An event on its way to the audit trail: its id, and the line that it is there."""

    event_id: str
    line: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Records to put into the keystore, new or in the place of those with the same name; all of it or nothing.

    A version that is new or changes its state needs the edges that lead there in `history`, in their order. `outbox` are the
    events of the change. What was counted before at the places in `recounted` goes.
    """

    classes: tuple[DataClass, ...] = ()
    keys: tuple[KeyRecord, ...] = ()
    versions: tuple[VersionRecord, ...] = ()
    history: tuple[HistoryRecord, ...] = ()
    outbox: tuple[OutboxEntry, ...] = ()
    census: tuple[CensusRecord, ...] = ()
    recounted: tuple[str, ...] = ()
    logs: tuple[LogRecord, ...] = ()
    settings: tuple[SettingRecord, ...] = ()
    root: RootChange | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Everything in a keystore at one epoch, verified, but for histories and counters. Immutable, so threads share it.

    `newest` is the latest time that was ever recorded here: no clock is behind it. `digest` says whether two keystores
    of a room hold the same, whatever their epochs. `unsent` says that events wait in the outbox.
    """

    epoch: int
    owner: str
    newest: datetime
    root_version: int
    digest: str
    classes: Mapping[str, DataClass]
    keys: Mapping[str, KeyRecord]
    versions: Mapping[tuple[str, int], VersionRecord]
    by_key: Mapping[str, Sequence[VersionRecord]] = field(repr=False, compare=False)
    census: tuple[CensusRecord, ...]
    current: Mapping[tuple[str, str | None], str]
    logs: Mapping[str, LogRecord] = field(default_factory=dict)
    settings: Mapping[str, SettingRecord] = field(default_factory=dict)
    unsent: bool = False

    def data_class(self, name: str) -> DataClass:
        """The class `name`. Raises ClassNotFound."""
        try:
            return self.classes[name]
        except KeyError:
            raise ClassNotFound(f"this room has no data class {name!r}") from None

    def key(self, key_id: str) -> KeyRecord:
        """The key `key_id`. Raises KeyNotFound."""
        try:
            return self.keys[key_id]
        except KeyError:
            raise KeyNotFound(f"this room has no key {key_id}") from None

    def current_key(self, data_class: str, scope: str | None = None) -> KeyRecord | None:
        """The key that a class and scope encrypt under now, None if there is none."""
        key_id = self.current.get((data_class, scope))
        return None if key_id is None else self.keys[key_id]

    def version(self, key_id: str, version: int) -> VersionRecord:
        """A version of a key. Raises KeyNotFound."""
        self.key(key_id)
        try:
            return self.versions[key_id, version]
        except KeyError:
            raise KeyNotFound(f"key {key_id} of this room has no version {version}") from None

    def versions_of(self, key_id: str) -> list[VersionRecord]:
        """All versions of a key in order."""
        return list(self.by_key.get(key_id, ()))

    def now(self, wall_clock: datetime) -> datetime:
        """The time as far as this keystore goes: a clock that was put back brings back no state."""
        return max(wall_clock, self.newest)

    def describe(self) -> Description:
        """The classes and keys, with states as they are stored."""
        keys = sorted(self.keys.values(), key=lambda key: (key.created, key.id))
        return Description(
            classes=tuple(self.classes[name] for name in sorted(self.classes)),
            keys=tuple(self.describe_key(key) for key in keys),
        )

    def describe_key(self, key: KeyRecord) -> Key:
        """A key with its versions. It has a primary version while the one that it names is ACTIVE."""
        versions = tuple(describe_version(record, key) for record in self.versions_of(key.id))
        return Key(
            id=key.id,
            data_class=key.data_class,
            scope=scope_from(key.scope),
            primary=next((version.version for version in versions if version.primary), 0),
            versions=versions,
            created=key.created,
            current=key.current,
            owner=key.owner,
            contact=key.contact,
            description=key.description,
            tags=dict(key.tags),
        )


def describe_version(record: VersionRecord, key: KeyRecord) -> KeyVersion:
    """A version of `key`."""
    in_token = record.token_kek
    return KeyVersion(
        version=record.version,
        state=record.state,
        created=record.created,
        primary=record.version == key.primary_version and record.state is KeyState.ACTIVE,
        active_until=record.active_until,
        root_version=record.root_version,
        activates=record.activates,
        activated=record.activated,
        destroy_at=record.destroy_at,
        left_state=record.left_state,
        compromised=record.compromised,
        token=None if in_token is None else in_token.uri,
    )
