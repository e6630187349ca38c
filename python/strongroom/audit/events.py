"""Events of the audit log, one frozen class each, and the entry that each becomes. Specified in docs/spec/audit.md.

Context values are never recorded, only a digest of the whole context.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar

from strongroom.crypto import build_info
from strongroom.errors import LimitExceeded
from strongroom.keys import new_id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.model import Request

SCHEMA = 2
MAX_ENTRY = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class Who:
    """Who did it: principal, purpose, reason, id and trace of the request; the OS user, host and process that made it."""

    principal: str
    purpose: str
    reason: str
    actor: str
    host: str
    process: int
    request: str
    trace: str | None

    @classmethod
    def of(cls, request: Request, actor: str) -> Who:
        """The request as made by this process for the OS user `actor`."""
        return cls(
            principal=request.principal,
            purpose=request.purpose,
            reason=request.reason,
            actor=actor,
            host=os.uname().nodename,
            process=os.getpid(),
            request=request.id,
            trace=request.trace,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """What every entry says. `id` is random, so that a replay can be told from a repetition."""

    name: ClassVar[str]

    who: Who
    time: datetime = field(default_factory=lambda: datetime.now(UTC))
    id: str = field(default_factory=new_id)

    def entry(self) -> bytes:
        """The entry as canonical JSON (RFC 8785). Raises LimitExceeded over 65,535 bytes."""
        # only whoever writes entries needs it
        import rfc8785

        content = {"schema": SCHEMA, "event": self.name, "library": library(), **flat(self.who), **flat(self)}
        if self.who.trace is None:
            del content["trace"]
        entry: bytes = rfc8785.dumps(canonical(content))
        if len(entry) > MAX_ENTRY:
            raise LimitExceeded(
                f"an audit entry has at most {MAX_ENTRY} bytes, and this one {len(entry)}: shorten the reason"
            )
        return entry

    def line(self) -> bytes:
        """The entry and a newline, as the outbox keeps it."""
        return self.entry() + b"\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomCreated(Event):
    """A room was made."""

    name: ClassVar[str] = "room-created"
    room: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOpened(Event):
    """A data key is about to be released: generated or unwrapped, for `seconds`, within these limits."""

    name: ClassVar[str] = "lease-opened"
    lease: str
    action: str
    data_class: str
    key_id: str
    version: int
    context_digest: str
    seconds: int
    max_messages: int
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseClosed(Event):
    """The end of a lease: how many messages and bytes the data key served, and how it ended."""

    name: ClassVar[str] = "lease-closed"
    lease: str
    data_class: str
    key_id: str
    version: int
    messages: int
    bytes: int
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Denied(Event):
    """The policy said no, or nothing."""

    name: ClassVar[str] = "denied"
    action: str
    data_class: str | None
    key_id: str | None
    version: int | None
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(Event):
    """A request that was allowed, or not yet decided, came to nothing. `error` is the stable code of the error."""

    name: ClassVar[str] = "failed"
    action: str
    data_class: str | None
    key_id: str | None
    version: int | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCreated(Event):
    """A data class was made, with these settings."""

    name: ClassVar[str] = "class-created"
    data_class: str
    suite: int
    frame_length: int
    lease_seconds: int
    max_messages: int
    max_bytes: int
    scope_keys: tuple[str, ...]
    open: bool
    rotate_every: int
    originator_usage: int
    recipient_usage: int
    destroy_wait: int
    census_age: int
    max_wraps: int
    level: str
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassChanged(Event):
    """Settings of a data class were changed to these."""

    name: ClassVar[str] = "class-changed"
    data_class: str
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyCreated(Event):
    """A key was made for a class and scope. `edges` are the lifecycle's numbers that its first version has taken."""

    name: ClassVar[str] = "key-created"
    data_class: str
    scope: Mapping[str, str] | None
    key_id: str
    version: int
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyAnnotated(Event):
    """What people want to know of a key was changed; these of it."""

    name: ClassVar[str] = "key-annotated"
    data_class: str
    key_id: str
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotated(Event):
    """A new version became primary; `edges` are those that it has taken for that."""

    name: ClassVar[str] = "key-rotated"
    data_class: str
    key_id: str
    version: int
    previous: int
    edges: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStateChanged(Event):
    """A key version went through an edge of the lifecycle, on somebody's word or because its time had come."""

    name: ClassVar[str] = "key-state-changed"
    data_class: str
    key_id: str
    version: int
    move: str
    edge: int
    source: str | None
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusTaken(Event):
    """What stands under the room's keys at a place was counted, from headers, and all of it or not."""

    name: ClassVar[str] = "census-taken"
    place: str
    messages: int
    bytes: int
    files: int
    complete: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CensusForgotten(Event):
    """A place does not count any more."""

    name: ClassVar[str] = "census-forgotten"
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencryptionStarted(Event):
    """Messages at a place are about to be moved to the key versions that encrypt now, all of them or those that stand elsewhere."""

    name: ClassVar[str] = "reencryption-started"
    job: str
    place: str
    suite: int | None
    everything: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReencryptionEnded(Event):
    """What came of it. `keys` says from which key version to which data keys were given, for how many messages and bytes.

    `more` counts those that the entry has no space for. A job without this entry was killed, or still runs.
    """

    name: ClassVar[str] = "reencryption-ended"
    job: str
    place: str
    outcome: str
    messages: int
    bytes: int
    settled: int
    failed: int
    resumed: int
    keys: tuple[Mapping[str, object], ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockChanged(Event):
    """Ways into the room are about to be added or removed: each by its kind and id."""

    name: ClassVar[str] = "unlock-changed"
    root_version: int
    opened_by: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoreMoved(Event):
    """The keystore was moved from one database to another."""

    name: ClassVar[str] = "keystore-moved"
    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class KeystoreUpgraded(Event):
    """The keystore was brought to a newer format; `backup` is what the old one is called now."""

    name: ClassVar[str] = "keystore-upgraded"
    from_format: int
    to_format: int
    backup: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingChanged(Event):
    """A setting of the room got another value."""

    name: ClassVar[str] = "setting-changed"
    setting: str
    value: object


@dataclass(frozen=True, slots=True, kw_only=True)
class RootRotated(Event):
    """The root was replaced and has wrapped so many KEKs; ways as in UnlockChanged."""

    name: ClassVar[str] = "root-rotated"
    root_version: int
    keys: int
    opened_by: str
    added: tuple[str, ...]
    removed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupCreated(Event):
    """A backup is about to be written. `state` says what the keystore holds, whatever its epoch."""

    name: ClassVar[str] = "backup-created"
    backup: str
    epoch: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupVerified(Event):
    """A backup was restored into a scratch room, and every KEK in it opened."""

    name: ClassVar[str] = "backup-verified"
    backup: str
    epoch: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RoomRestored(Event):
    """This room was made from a backup. `audit` says how far the log of before was by then, as the backup does."""

    name: ClassVar[str] = "room-restored"
    room: str
    backup: str
    epoch: int
    previous_epoch: int
    state: str
    audit: Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnerChanged(Event):
    """The room was given to another OS user while it was restored."""

    name: ClassVar[str] = "owner-changed"
    owner: str
    previous: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered(Event):
    """A last entry that a crash had left torn was cut off. It was never acknowledged."""

    name: ClassVar[str] = "recovered"
    bytes_cut: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPruned(Event):
    """The oldest entries are about to go: so many, up to this time, so that `first` stays. `leases` began in them and go on."""

    name: ClassVar[str] = "log-pruned"
    first: int
    entries: int
    until: datetime
    root: str
    leases: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnlockFailed(Event):
    """Somebody tried to open the room with what does not open it."""

    name: ClassVar[str] = "unlock-failed"
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterStarted(Event):
    """A process opened the room, and appends its first entry behind this one."""

    name: ClassVar[str] = "writer-started"
    writer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class WriterStopped(Event):
    """It closed the room, after so many entries of its own. A writer without this entry ended without closing."""

    name: ClassVar[str] = "writer-stopped"
    writer: str
    entries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LogStarted(Event):
    """A log began after the room did: on another host, or with so many entries of the plain trail that there was."""

    name: ClassVar[str] = "log-started"
    carried: int


def make_ready() -> None:
    """Load what entries are written with, before many threads do: an interrupt in an import of one leaves all others waiting for ever."""
    import rfc8785

    # which also looks for its codec
    rfc8785.dumps({"": None})


def flat(noun: object) -> dict[str, object]:
    """The fields of a dataclass as JSON values, `who` left to its own call."""
    values = {item.name: getattr(noun, item.name) for item in fields(noun) if item.name != "who"}  # type: ignore[arg-type] # callers pass dataclasses
    return {name: spell(value) for name, value in values.items()}


def spell(value: object) -> object:
    """Times in RFC 3339, UTC, microseconds; everything else as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return value


@cache
def library() -> str:
    """The version of this package."""
    return build_info()["core"]


def canonical(value: Any) -> Any:
    """A value that canonical JSON can say: numbers that a double cannot hold as text, bytes of a name that was not UTF-8 marked."""
    match value:
        case bool() | None:
            return value
        case int():
            return value if abs(value) <= LARGEST else str(value)
        case str():
            return value.encode("utf-8", "backslashreplace").decode()
        case list() | tuple():
            return [canonical(item) for item in value]
        case _:
            return {str(canonical(name)): canonical(item) for name, item in dict(value).items()}


LARGEST = 2**53 - 1
