"""Data keys: generated and unwrapped, each under a lease that is in the audit trail before the key is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.audit import LeaseOpened
from strongroom.crypto import DataKey
from strongroom.errors import KeyNotFound, KeyStateForbids, RoomLocked
from strongroom.keys import (
    NAMESPACE,
    KeyName,
    Operation,
    context_digest,
    forbids,
    new_id,
    scope_of,
    scope_text,
)
from strongroom.keyservice import desk
from strongroom.keyservice.moves import NewKey, create
from strongroom.keyservice.protocol import GeneratedDek, UnwrappedDek
from strongroom.model import Lease, Level, Request
from strongroom.policy import Action, Resource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.crypto import Edk
    from strongroom.keyservice.draft import Draft
    from strongroom.keyservice.keks import Kek
    from strongroom.keystore import KeyRecord, Snapshot, VersionRecord
    from strongroom.model import DataClass


class Leases(desk.Desk):
    """The part of the keyservice that releases data keys."""

    def generate_dek(
        self, request: Request, data_class: str, context: Mapping[str, str], *, key_length: int = 32
    ) -> GeneratedDek:
        """See KeyService.generate_dek."""
        with self._turn(), self._case(request, Action.GENERATE) as case:
            snapshot = self._snapshot()
            self._authorise(case, resource_of_class(snapshot, data_class, context))
            wanted = snapshot.data_class(data_class)
            snapshot, key = self._key_for(request, snapshot, wanted, context)
            record = primary_of(snapshot, key)
            kek = self._usable_kek(snapshot, record, Operation.ENCRYPT)
            self._keystore.take_wrap(record.key_id, record.version, wanted.max_wraps)
            lease = self._open_lease(case, record, wanted, context)
            data_key = DataKey.generate(key_length)
            edk = kek.wrap(data_key, NAMESPACE, str(KeyName(record.key_id, record.version)), context)
            return GeneratedDek(data_key=data_key, edk=edk, lease=lease, data_class=wanted)

    def current_key(self, request: Request, data_class: str, context: Mapping[str, str]) -> KeyName:
        """See KeyService.current_key."""
        with self._turn(), self._case(request, Action.GENERATE) as case:
            snapshot = self._snapshot()
            self._authorise(case, resource_of_class(snapshot, data_class, context))
            snapshot, key = self._key_for(request, snapshot, snapshot.data_class(data_class), context)
            return KeyName(key.id, primary_of(snapshot, key).version)

    def data_class(self, request: Request, name: str) -> DataClass:
        """See KeyService.data_class."""
        with self._turn(), self._case(request, Action.GENERATE) as case:
            snapshot = self._snapshot()
            self._authorise(case, resource_of_class(snapshot, name))
            return snapshot.data_class(name)

    def unwrap_dek(
        self,
        request: Request,
        edks: Sequence[Edk],
        context: Mapping[str, str],
        *,
        operation: Operation = Operation.DECRYPT,
    ) -> UnwrappedDek:
        """See KeyService.unwrap_dek."""
        with self._turn(), self._case(request, UNWRAPPING[operation]) as case:
            snapshot = self._snapshot()
            edk, name = choose_edk(snapshot, edks)
            key = snapshot.keys.get(name.key_id)
            self._authorise(case, Resource(key.data_class if key else None, name.key_id, name.version))
            record = snapshot.version(name.key_id, name.version)
            data_class = snapshot.data_class(snapshot.key(name.key_id).data_class)
            kek = self._usable_kek(snapshot, record, operation)
            lease = self._open_lease(case, record, data_class, context)
            data_key = kek.unwrap(edk, NAMESPACE, str(name), context)
            return UnwrappedDek(data_key=data_key, lease=lease, data_class=data_class)

    def close_lease(self, lease: Lease, messages: int, byte_count: int, outcome: str) -> None:
        """See KeyService.close_lease."""
        with self._turn():
            request = Request(lease.principal, lease.purpose, lease.reason, lease.request, lease.trace)
            self._sink.note(self._lease_closed(request, lease, messages, byte_count, outcome))

    def note_refused(self, request: Request, error: Exception) -> None:
        """See KeyService.note_refused."""
        with self._turn():
            if error is not self._threads.recorded:
                self._sink.note(self._failed(desk.Case(request, Action.UNWRAP), error))

    def _key_for(
        self, request: Request, snapshot: Snapshot, data_class: DataClass, context: Mapping[str, str]
    ) -> tuple[Snapshot, KeyRecord]:
        """The key of a class for the scope that a context names. An open class gets it made. Raises KeyNotFound."""
        scope = scope_of(data_class.scope_keys, context)
        key = snapshot.current_key(data_class.name, scope_text(scope))
        if key is not None:
            return snapshot, key
        if scope is None or not data_class.open:
            raise KeyNotFound(
                f"scope {scope_text(scope)} of class {data_class.name!r} is not registered: `strongroom scopes register`"
                if scope
                else f"class {data_class.name!r} has no key: `strongroom keys create` makes one"
            )

        def fill(draft: Draft) -> None:
            # another process may have been faster
            if draft.current_key(data_class.name, scope_text(scope)) is None:
                create(draft, NewKey(data_class=data_class.name, scope=scope))

        after = self._draft(request, fill)
        made = after.current_key(data_class.name, scope_text(scope))
        if made is None:
            raise KeyNotFound(f"scope {scope_text(scope)} of class {data_class.name!r} has no key")
        return after, made

    def _usable_kek(self, snapshot: Snapshot, record: VersionRecord, operation: Operation) -> Kek:
        """The KEK of a version that may do `operation` now. Raises KeyStateForbids, and RoomLocked where a token must open it."""
        data_class = snapshot.data_class(snapshot.key(record.key_id).data_class)
        why = forbids(record, data_class, operation, self._now(snapshot))
        if why is not None:
            raise KeyStateForbids(f"key {record.key_id} version {record.version} {why}")
        if data_class.level is Level.HSM_ROOT and not self._root.in_token:
            raise RoomLocked(
                f"keys of class {data_class.name!r} are used only where a token opens the room: `strongroom unlock list` shows those"
            )
        return self._keks.of(record, data_class.token)

    def _open_lease(
        self, case: desk.Case, record: VersionRecord, data_class: DataClass, context: Mapping[str, str]
    ) -> Lease:
        """The lease on a data key, durable in the audit trail before the key is there to release."""
        request = case.request
        lease = Lease(
            id=new_id(),
            key_id=record.key_id,
            version=record.version,
            data_class=data_class.name,
            principal=request.principal,
            purpose=request.purpose,
            reason=request.reason,
            opened=desk.utc_now(),
            seconds=data_class.lease_seconds,
            request=request.id,
            trace=request.trace,
        )
        case.resource = Resource(data_class.name, record.key_id, record.version)
        self._sink.record(
            LeaseOpened(
                who=self._who(request),
                time=lease.opened,
                lease=lease.id,
                action=str(case.action),
                data_class=lease.data_class,
                key_id=lease.key_id,
                version=lease.version,
                context_digest=context_digest(context),
                seconds=lease.seconds,
                max_messages=data_class.max_messages,
                max_bytes=data_class.max_bytes,
            )
        )
        case.lease = lease
        return lease


def primary_of(snapshot: Snapshot, key: KeyRecord) -> VersionRecord:
    """The version of a key that encrypts. Raises KeyStateForbids while there is none."""
    if key.primary_version == 0:
        raise KeyStateForbids(
            f"key {key.id} has no primary version yet: `strongroom keys activate`, or wait for its date"
        )
    return snapshot.version(key.id, key.primary_version)


def resource_of_class(snapshot: Snapshot, name: str, context: Mapping[str, str] | None = None) -> Resource:
    """A class and the primary version of its key for a context, as far as they exist."""
    data_class = snapshot.classes.get(name)
    if data_class is None:
        return Resource(name)
    values = context or {}
    known = {key: values[key] for key in data_class.scope_keys if key in values}
    scope = scope_text(known) if data_class.scope_keys else None
    key = snapshot.current_key(name, scope)
    return Resource(name, key.id, key.primary_version or None) if key else Resource(name)


def choose_edk(snapshot: Snapshot, edks: Sequence[Edk]) -> tuple[Edk, KeyName]:
    """The first EDK that names a key version of this room. Raises KeyNotFound saying what they name instead."""
    ours = [(edk, KeyName.of(edk)) for edk in edks]
    for edk, name in ours:
        if name is not None and (name.key_id, name.version) in snapshot.versions:
            return edk, name
    named = ", ".join(f"key {name}" for _, name in ours if name is not None)
    if named:
        raise KeyNotFound(f"this room does not hold what the message was encrypted under: {named}")
    providers = ", ".join(sorted({edk.provider_id for edk in edks})) or "no provider"
    raise KeyNotFound(f"the message was not encrypted under a key of a Strongroom room: it names {providers}")


# what a DEK is unwrapped for, and what policy is asked: whoever may re-encrypt need not be allowed to read
UNWRAPPING = {Operation.DECRYPT: Action.UNWRAP, Operation.REENCRYPT: Action.REENCRYPT}
