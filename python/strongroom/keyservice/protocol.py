"""What a keyservice promises, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from strongroom.keys import Operation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.crypto import DataKey, Edk
    from strongroom.keys import KeyName
    from strongroom.keyservice.ways import WayChange
    from strongroom.model import DataClass, Description, Key, Lease, Request, Way


@dataclass(frozen=True, slots=True, kw_only=True)
class GeneratedDek:
    """A fresh data key, the same key wrapped for a header, the lease on it, and the class that sets its limits."""

    data_key: DataKey
    edk: Edk
    lease: Lease
    data_class: DataClass


@dataclass(frozen=True, slots=True, kw_only=True)
class UnwrappedDek:
    """A data key out of a header, the lease on it, and the class that its KEK belongs to."""

    data_key: DataKey
    lease: Lease
    data_class: DataClass


class KeyService(Protocol):
    """Authorises, does and records every use and change of a key, in this order.

    A data key is released only after its opening entry is durable in the audit trail. Refusals and failures are
    recorded too. Every method may raise AccessDenied, AuditUnavailable, KeystoreUnavailable, RoomTampered, and
    KeyUnavailable once the service is closed or left behind by a fork; and Misuse in a signal handler that interrupts
    another call of the service, where waiting would never end.
    """

    def generate_dek(
        self, request: Request, data_class: str, context: Mapping[str, str], *, key_length: int = 32
    ) -> GeneratedDek:
        """A fresh random DEK of `key_length` bytes (16, 24 or 32), wrapped by the class's primary key version.

        `context` is complete: it is what the message will carry, with `strongroom-class` in it. Raises KeyNotFound for
        a class that does not exist, KeyStateForbids when the primary version may not encrypt, LimitExceeded when it
        has wrapped as often as it may.
        """
        ...

    def data_class(self, request: Request, name: str) -> DataClass:
        """The data class of this name, for whoever may encrypt under it. Raises KeyNotFound."""
        ...

    def unwrap_dek(
        self,
        request: Request,
        edks: Sequence[Edk],
        context: Mapping[str, str],
        *,
        operation: Operation = Operation.DECRYPT,
    ) -> UnwrappedDek:
        """The DEK in the first of `edks` that a key of this room has wrapped.

        `operation` is DECRYPT or REENCRYPT, which policy decides apart and more states allow: a DEK that was unwrapped
        to re-encrypt must serve nothing else. Raises KeyNotFound, naming what the EDKs name, when there is none;
        KeyStateForbids; AuthenticationFailed when the context or the EDK was changed.
        """
        ...

    def current_key(self, request: Request, data_class: str, context: Mapping[str, str]) -> KeyName:
        """The key version that `generate_dek` would take now, for whoever may encrypt. Raises KeyNotFound."""
        ...

    def close_lease(self, lease: Lease, messages: int, byte_count: int, outcome: str) -> None:
        """Record what a lease was used for. `outcome` is a stable word: `ok`, or an error's code."""
        ...

    def check_free(self) -> None:
        """Raises Misuse in a signal handler that interrupts a call of this service: ask before you wait for others."""
        ...

    def create_class(
        self,
        request: Request,
        name: str,
        *,
        suite: int = 0x0478,
        frame_length: int = 65536,
        lease_seconds: int = 300,
        max_messages: int = 2**32,
        max_bytes: int = 2**60,
    ) -> DataClass:
        """A new data class with a first key. Raises Misuse for a name that is taken or values out of range."""
        ...

    def create_key(self, request: Request, data_class: str) -> Key:
        """A new key for a class, which uses it from now on; what its earlier keys wrapped stays readable."""
        ...

    def rotate(self, request: Request, key_id: str) -> Key:
        """Make a new version of a key and make it primary. Data is not touched. Raises KeyNotFound."""
        ...

    def describe(self, request: Request) -> Description:
        """The classes and keys, with states as they are now."""
        ...

    def ways(self, request: Request) -> tuple[Way, ...]:
        """The ways into the room."""
        ...

    def change_ways(self, request: Request, change: WayChange) -> tuple[Way, ...]:
        """Add and remove ways into the room in one step, and give those that there are now.

        Raises Misuse where it would leave none that was shown to work, or no recovery kit; ProviderUnavailable while
        another process changes them.
        """
        ...

    def close(self) -> None:
        """Wipe all keys and let go of keystore and audit trail. May be called again."""
        ...
