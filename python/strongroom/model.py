"""The nouns of a room: what it holds and what is asked of it. Frozen, without behaviour, and never holding a key."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

__all__ = [
    "DataClass",
    "Description",
    "Key",
    "KeyState",
    "KeyVersion",
    "Lease",
    "Level",
    "Request",
    "RootInfo",
    "Settings",
    "Way",
    "Witness",
]


class KeyState(StrEnum):
    """The lifecycle state of a key version. Source: NIST SP 800-57 part 1 rev. 5, section 7, and scheduled destruction."""

    PRE_ACTIVE = "PRE_ACTIVE"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    DEACTIVATED = "DEACTIVATED"
    COMPROMISED = "COMPROMISED"
    DESTROY_SCHEDULED = "DESTROY_SCHEDULED"
    DESTROYED = "DESTROYED"


class Level(StrEnum):
    """Where the KEKs of a class are.

    `software`: under the room's root. `hsm-root`: the same, and used only where a token gives the root. `hsm`: in a token, which
    wraps every data key itself.
    """

    SOFTWARE = "software"
    HSM_ROOT = "hsm-root"
    HSM = "hsm"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataClass:
    """A kind of data, and so how it is protected: which KEK, which suite, and how long a data key may be reused.

    `suite` is an algorithm suite id of the AWS Encryption SDK, `frame_length` is in bytes (1 … 16 MiB), and
    `lease_seconds` is how long a released data key may be used; 0 means once. `max_messages` and `max_bytes` bound
    one data key.

    `scope_keys` are the context keys whose values choose the KEK; with none, the class has one KEK, `key_id`, which is ""
    otherwise. An `open` class gets the KEK of a new scope on first use; elsewhere a scope is registered before.

    All in seconds, 0 for none: `rotate_every`; how long a key version may encrypt (`originator_usage`) and decrypt
    (`recipient_usage`, 0 for ever); how long a scheduled destruction waits (`destroy_wait`) and a census counts
    (`census_age`). A key version wraps `max_wraps` data keys at most.

    `level` says where new KEKs are made, and `token` in which token where that is `hsm`: its PKCS#11 URI.
    """

    name: str
    key_id: str
    created: datetime
    suite: int = 0x0478
    frame_length: int = 65536
    lease_seconds: int = 300
    max_messages: int = 2**32
    max_bytes: int = 2**60
    scope_keys: tuple[str, ...] = ()
    open: bool = False
    rotate_every: int = 0
    originator_usage: int = 0
    recipient_usage: int = 0
    destroy_wait: int = 30 * 86_400
    census_age: int = 7 * 86_400
    max_wraps: int = 2**32 - 2**20
    level: Level = Level.SOFTWARE
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyVersion:
    """One version of a key: the KEK that data keys are wrapped under.

    `state` is what the version is at the moment of asking. `active_until` is set on a version that was rotated away:
    it stays ACTIVE until then, so that leases on it can end, and is DEACTIVATED afterwards. `activates` is when a version
    is to become ACTIVE, `activated` when it did, `destroy_at` when its material is to go; `left_state` is where it returns
    to from SUSPENDED or DESTROY_SCHEDULED. `compromised` says so of one that is DESTROYED. `token` is the PKCS#11 URI of a KEK that
    is in a token; then no root has wrapped it, and `root_version` is 0.
    """

    version: int
    state: KeyState
    created: datetime
    primary: bool
    active_until: datetime | None
    root_version: int
    activates: datetime | None = None
    activated: datetime | None = None
    destroy_at: datetime | None = None
    left_state: KeyState | None = None
    compromised: bool = False
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A key of a data class and scope, with all its versions in order.

    The primary version wraps what is encrypted now; `primary` is 0 while there is none. Only the `current` key of a class
    and scope is used for encryption. `owner`, `contact` (for incidents), `description` and `tags` are for people.
    """

    id: str
    data_class: str
    scope: Mapping[str, str] | None
    primary: int
    versions: tuple[KeyVersion, ...]
    created: datetime
    current: bool = True
    owner: str = ""
    contact: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def new_request() -> str:
    """A name that no other request has."""
    return os.urandom(16).hex()


@dataclass(frozen=True, slots=True)
class Request:
    """On whose behalf something is asked (`principal`), what for (a stable word) and why (a sentence).

    `id` is random and tells which entries of the audit log belong together; `trace` is the W3C trace id that it is part of.
    """

    principal: str
    purpose: str
    reason: str
    id: str = field(default_factory=new_request, compare=False)
    trace: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The permission to use one released data key for `seconds`, the unit of the audit trail."""

    id: str
    key_id: str
    version: int
    data_class: str
    principal: str
    purpose: str
    reason: str
    opened: datetime
    seconds: int
    request: str
    trace: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaceCount:
    """What a census counted at a place: messages, bytes and files by key id and version.

    Unless it is `complete`, it does not say of any version that nothing stands under it.
    """

    place: str
    taken: datetime
    complete: bool
    counts: Mapping[tuple[str, int], tuple[int, int, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedKey:
    """Data keys that were given out to move messages of a class from one key version to another, for so many of so many bytes, as leases count."""

    data_class: str
    from_key_id: str
    from_version: int
    key_id: str
    version: int
    messages: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reencryption:
    """What came of a re-encryption, by `outcome`: `done`, or the code of what ended it.

    `messages` of `bytes` plaintext were moved, `settled` stood where they should, `failed` stay as they were. `resumed` trees had
    been left by a run that was interrupted.
    """

    outcome: str
    messages: int
    bytes: int
    settled: int
    failed: int
    resumed: int
    keys: tuple[MovedKey, ...]


@dataclass(frozen=True, slots=True)
class Description:
    """What a room holds: every data class by name, and every key with its versions by creation."""

    classes: tuple[DataClass, ...]
    keys: tuple[Key, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """A way into a room: a passphrase, a key file, a recovery kit, a quorum of shares or a token. Says nothing of the secret.

    `token` is the URI of a key in a token. `quorum` is how many of how many shares open it. `added` is None for the ways that a room was made with before
    times were recorded.
    """

    id: str
    kind: str
    label: str | None = None
    added: datetime | None = None
    quorum: tuple[int, int] | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RootInfo:
    """The root of a room: its version, the ways to open it, and how many KEKs it has wrapped."""

    version: int
    ways: tuple[Way, ...]
    keks: int


@dataclass(frozen=True, slots=True)
class Witness:
    """Who cosigns the checkpoints of the room's logs: its public key as a vkey, and the URL below which it is asked."""

    vkey: str
    url: str

    @property
    def name(self) -> str:
        """What it calls itself."""
        return self.vkey.partition("+")[0]


@dataclass(frozen=True, slots=True)
class Settings:
    """What holds for the room as a whole: the witnesses of its logs, and where entries are forwarded to, if anywhere."""

    witnesses: tuple[Witness, ...] = ()
    forwarding: str | None = None
