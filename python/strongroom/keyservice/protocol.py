"""What a keyservice promises, wherever it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from strongroom.keys import Operation
from strongroom.keyservice.moves import NOTHING, About

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta
    from typing import Any

    from strongroom.crypto import DataKey, Edk
    from strongroom.keys import KeyName, Task
    from strongroom.keyservice.exporting import Export
    from strongroom.keyservice.roots import RootPlan
    from strongroom.keyservice.scheduling import DueTask
    from strongroom.keyservice.ways import WayChange
    from strongroom.keystore import HistoryRecord
    from strongroom.model import (
        DataClass,
        Description,
        Key,
        Lease,
        PlaceCount,
        Reencryption,
        Request,
        RootInfo,
        Settings,
        Way,
        Witness,
    )


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

    def note_refused(self, request: Request, error: Exception) -> None:
        """Record that a message did not authenticate under the key that was released for it, unless the failure is recorded."""
        ...

    def begin_reencryption(self, request: Request, place: str, suite: int | None, *, everything: bool) -> str:
        """Record that messages at a place are about to be moved, perhaps into `suite`. Gives the id of the job.

        It asks no policy: that is asked for each of its data keys.
        """
        ...

    def end_reencryption(self, request: Request, job: str, place: str, done: Reencryption) -> None:
        """Record what came of it. Of very many key versions the entry names some, and counts the others."""
        ...

    def check_free(self) -> None:
        """Raises Misuse in a signal handler that interrupts a call of this service: ask before you wait for others."""
        ...

    def create_class(self, request: Request, name: str, **settings: Any) -> DataClass:
        """A new data class, with a first key unless it has scope keys. `settings` are members of `DataClass`.

        Raises Misuse for a name that is taken or values out of range. A class of level `hsm` has its KEKs in the token `token`, by
        default the one that opens the room.
        """
        ...

    def set_class(self, request: Request, name: str, **settings: Any) -> DataClass:
        """Change settings of a class, for what happens from now on. Raises KeyNotFound, and Misuse as above.

        Another level or token makes a new version of every key of the class. Messages under the old ones stay there until they
        are re-encrypted.
        """
        ...

    def create_key(
        self,
        request: Request,
        data_class: str,
        *,
        scope: Mapping[str, str] | None = None,
        activates: datetime | None = None,
        about: About = NOTHING,
        replacing: bool = True,
    ) -> Key:
        """A new key for a class and scope, used from now on or from `activates` on; what earlier keys wrapped stays readable.

        Raises KeyNotFound for a class that does not exist, and Misuse for a scope with other keys than the class's, or one
        that has a key while not `replacing`.
        """
        ...

    def set_key(self, request: Request, key_id: str, about: About) -> Key:
        """Change what people want to know of a key. Raises KeyNotFound."""
        ...

    def rotate(
        self,
        request: Request,
        key_id: str,
        *,
        expected: int | None = None,
        activates: datetime | None = None,
        kek: str | None = None,
    ) -> Key:
        """Make a new version of a key and make it primary, now or at `activates`. Data is not touched.

        A version that was prepared for a later date is taken instead of a new one. Raises KeyNotFound, and KeyChanged
        when the primary version is not `expected`, by default the one that was primary when the call began. `kek` is the URI of
        a key that is in the class's token already and is to be the KEK.
        """
        ...

    def activate(self, request: Request, key_id: str, version: int | None = None) -> Key:
        """Make a PRE_ACTIVE version, by default the one there is, active and primary. Raises KeyStateForbids."""
        ...

    def suspend(self, request: Request, key_id: str, version: int) -> Key:
        """Stop all use of an ACTIVE version. This and what follows raise Misuse without a reason, and KeyStateForbids."""
        ...

    def resume(self, request: Request, key_id: str, version: int) -> Key:
        """Allow it again: the version is ACTIVE, or DEACTIVATED if its time ended meanwhile."""
        ...

    def deactivate(self, request: Request, key_id: str, version: int) -> Key:
        """End encryption under an ACTIVE version."""
        ...

    def compromise(self, request: Request, key_id: str, version: int, *, rotate: bool = False) -> Key:
        """Say that others may know a version; with `rotate`, a primary one gets a successor in the same moment.

        One that is DESTROYED is only marked.
        """
        ...

    def destroy(self, request: Request, key_id: str, version: int, *, wait: int | None = None) -> Key:
        """Schedule the destruction of a DEACTIVATED or COMPROMISED version in `wait` seconds, by default those of its class.

        Refused while the census does not say that nothing is under it. One that is PRE_ACTIVE is destroyed at once.
        """
        ...

    def restore(self, request: Request, key_id: str, version: int) -> Key:
        """Take back a scheduled destruction."""
        ...

    def due(self, request: Request, within: timedelta) -> tuple[DueTask, ...]:
        """What is due for all keys by then, earliest first."""
        ...

    def do_due(
        self, request: Request, tasks: frozenset[Task]
    ) -> tuple[tuple[DueTask, ...], tuple[tuple[DueTask, Exception], ...]]:
        """Rotate and destroy what is due now, as far as `tasks` says: what was done, and what failed and why."""
        ...

    def record_census(self, request: Request, counted: PlaceCount) -> None:
        """Remember what was counted at a place, instead of what was counted there, and if it was whole beneath it, before."""
        ...

    def forget_census(self, request: Request, place: str) -> None:
        """Forget a place that is no more, so that its age stops no destruction. Raises Misuse if it was never counted."""
        ...

    def describe(self, request: Request) -> Description:
        """The classes and keys, with states as they are now."""
        ...

    def standing(self) -> Mapping[str, bool]:
        """Whether the token of each way into the room gave its root when it was asked last. Asks those of which it is not known."""
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

    def settings(self, request: Request) -> Settings:
        """What holds for the room as a whole."""
        ...

    def add_witness(self, request: Request, witness: Witness) -> Settings:
        """Have the checkpoints of the room's logs cosigned by this witness from now on. Raises Misuse."""
        ...

    def remove_witness(self, request: Request, name: str) -> Settings:
        """Ask a witness no more. Raises Misuse if there is none of this name."""
        ...

    def forward_to(self, request: Request, target: str | None) -> Settings:
        """Forward entries of the audit log to this place from now on, or with None nowhere. Raises Misuse."""
        ...

    def key(self, request: Request, key_id: str) -> Key:
        """One key, as it is now. Raises KeyNotFound."""
        ...

    def history(self, request: Request, key_id: str) -> tuple[HistoryRecord, ...]:
        """Every edge that the versions of a key have gone through, by version and in order. Raises KeyNotFound."""
        ...

    def root(self, request: Request) -> RootInfo:
        """The version of the root, and what opens it."""
        ...

    def rotate_root(self, request: Request, plan: RootPlan) -> RootInfo:
        """Make a new root, seal it as planned, and put every KEK under it, in one transaction.

        Raises Misuse naming a way into the room that was neither given nor dropped. A crash at any point leaves a room
        that opens with the secrets of before or of after.
        """
        ...

    def export(self, request: Request) -> Export:
        """What a backup holds, and the materials of the message that may hold it. Raises AuditUnavailable before that."""
        ...

    def record_verified(self, request: Request, backup: str, epoch: int, state: str) -> None:
        """Record that a backup of this room was verified."""
        ...

    def close(self) -> None:
        """Wipe all keys and let go of keystore and audit trail. May be called again."""
        ...
