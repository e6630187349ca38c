"""The keyservice inside the caller's own process."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from strongroom.audit import (
    Denied,
    Failed,
    LeaseClosed,
    LeaseOpened,
    UnlockChanged,
    Who,
)
from strongroom.crypto import DataKey
from strongroom.errors import (
    AccessDenied,
    AuditUnavailable,
    AuthenticationFailed,
    KeyChanged,
    KeyNotFound,
    KeyStateForbids,
    KeyUnavailable,
    Misuse,
    RoomTampered,
    StrongroomError,
)
from strongroom.keys import NAMESPACE, KeyName, Operation, context_digest, kek_binding, may, new_id
from strongroom.keyservice.making import Maker, check_class
from strongroom.keyservice.protocol import GeneratedDek, UnwrappedDek
from strongroom.keyservice.ways import WayChange, changed, differences
from strongroom.model import DataClass, Lease, Request
from strongroom.policy import Action, Resource, judge
from strongroom.providers import RootDocument

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from strongroom.audit import Sink
    from strongroom.crypto import AesWrappingKey, Edk
    from strongroom.keystore import Change, Keystore, Snapshot, VersionRecord
    from strongroom.model import Description, Key, Way
    from strongroom.policy import Policy
    from strongroom.providers import RootFile, SoftwareRoot


class EmbeddedKeyService:
    """A KeyService over a keystore, a root, a policy and an audit sink, all of which it closes. Thread-safe.

    Belongs to one process: in a forked child it raises KeyUnavailable.
    """

    def __init__(
        self,
        keystore: Keystore,
        root: SoftwareRoot,
        policy: Policy,
        sink: Sink,
        *,
        room_id: str,
        actor: str,
        root_file: RootFile,
    ) -> None:
        self.room_id = room_id
        self._root_file = root_file
        self._keystore = keystore
        self._root = root
        self._policy = policy
        self._sink = sink
        self._actor = actor
        self._process = os.getpid()
        self._closed = False
        self._lock = threading.Lock()
        self._threads = Turns()
        self._keks: dict[KeyName, AesWrappingKey] = {}

    def __repr__(self) -> str:
        return f"<EmbeddedKeyService of room {self.room_id}{', closed' if self._closed else ''}>"

    def generate_dek(
        self, request: Request, data_class: str, context: Mapping[str, str], *, key_length: int = 32
    ) -> GeneratedDek:
        """See KeyService.generate_dek."""
        with self._turn(), self._case(request, Action.GENERATE) as case:
            snapshot = self._snapshot()
            self._authorise(case, resource_of_class(snapshot, data_class))
            wanted = snapshot.data_class(data_class)
            record = snapshot.version(wanted.key_id, snapshot.key(wanted.key_id).primary_version)
            kek = self._usable_kek(record, Operation.ENCRYPT)
            self._keystore.take_wrap(record.key_id, record.version, wanted.max_wraps)
            lease = self._open_lease(case, record, wanted, context)
            data_key = DataKey.generate(key_length)
            edk = kek.wrap(data_key, NAMESPACE, str(KeyName(record.key_id, record.version)), context)
            return GeneratedDek(data_key=data_key, edk=edk, lease=lease, data_class=wanted)

    def current_key(self, request: Request, data_class: str, context: Mapping[str, str]) -> KeyName:
        """See KeyService.current_key."""
        with self._turn(), self._case(request, Action.GENERATE) as case:
            snapshot = self._snapshot()
            self._authorise(case, resource_of_class(snapshot, data_class))
            wanted = snapshot.data_class(data_class)
            return KeyName(wanted.key_id, snapshot.key(wanted.key_id).primary_version)

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
            kek = self._usable_kek(record, operation)
            lease = self._open_lease(case, record, data_class, context)
            data_key = kek.unwrap(edk, NAMESPACE, str(name), context)
            return UnwrappedDek(data_key=data_key, lease=lease, data_class=data_class)

    def close_lease(self, lease: Lease, messages: int, byte_count: int, outcome: str) -> None:
        """See KeyService.close_lease."""
        with self._turn():
            request = Request(lease.principal, lease.purpose, lease.reason)
            self._sink.note(self._lease_closed(request, lease, messages, byte_count, outcome))

    def check_free(self) -> None:
        """See KeyService.check_free."""
        if self._process == os.getpid() and self._threads.taken.locked():
            raise Misuse("a signal handler cannot use the keys of a room while it interrupts a call that does")

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
        """See KeyService.create_class."""
        wanted = DataClass(
            name=name,
            key_id="",
            created=utc_now(),
            suite=suite,
            frame_length=frame_length,
            lease_seconds=lease_seconds,
            max_messages=max_messages,
            max_bytes=max_bytes,
        )
        with self._turn(), self._case(request, Action.CREATE_CLASS) as case:
            self._authorise(case, Resource(data_class=name))
            check_class(wanted)

            def decide(snapshot: Snapshot) -> Change:
                if name in snapshot.classes:
                    raise Misuse(f"there is a data class {name!r} already")
                return self._maker(request).new_class(wanted)

            return self._change(decide).data_class(name)

    def create_key(self, request: Request, data_class: str) -> Key:
        """See KeyService.create_key."""
        with self._turn(), self._case(request, Action.CREATE_KEY) as case:
            self._authorise(case, resource_of_class(self._snapshot(), data_class))

            def decide(snapshot: Snapshot) -> Change:
                return self._maker(request).new_key(snapshot, snapshot.data_class(data_class))

            after = self._change(decide)
            return key_of(after.describe(utc_now()), after.data_class(data_class).key_id)

    def rotate(self, request: Request, key_id: str) -> Key:
        """See KeyService.rotate."""
        with self._turn(), self._case(request, Action.ROTATE) as case:
            seen = self._snapshot().keys.get(key_id)
            self._authorise(case, Resource(seen.data_class if seen else None, key_id))

            def decide(snapshot: Snapshot) -> Change:
                key = snapshot.key(key_id)
                if seen is not None and key.primary_version != seen.primary_version:
                    raise KeyChanged(f"key {key_id} was rotated meanwhile: version {key.primary_version} is primary")
                return self._maker(request).rotation(snapshot, key)

            return key_of(self._change(decide).describe(utc_now()), key_id)

    def describe(self, request: Request) -> Description:
        """See KeyService.describe."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            return self._snapshot().describe(utc_now())

    def ways(self, request: Request) -> tuple[Way, ...]:
        """See KeyService.ways."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            return self._root_file.read().at(self._root.version).ways()

    def change_ways(self, request: Request, change: WayChange) -> tuple[Way, ...]:
        """See KeyService.change_ways."""
        with self._turn(), self._case(request, Action.CHANGE_WAYS) as case:
            self._authorise(case, Resource())
            with self._root_file.alone():
                before = self._root_file.read().at(self._root.version)
                after = changed(before, self._root, change)
                added, removed = differences(before, after)
                self._sink.record(
                    UnlockChanged(
                        who=self._who(request),
                        root_version=after.version,
                        opened_by=self._root.way,
                        added=added,
                        removed=removed,
                    )
                )
                self._root_file.write(RootDocument(after))
            return after.ways()

    def close(self) -> None:
        """See KeyService.close."""
        self.check_free()
        # in a forked child, a thread that is not there may hold the lock
        with self._lock if self._process == os.getpid() else nullcontext():
            if self._closed:
                return
            self._closed = True
            keks, self._keks = self._keks, {}
        with ExitStack() as closing:
            closing.callback(self._sink.close)
            closing.callback(self._keystore.close)
            closing.callback(self._root.close)
            for kek in keks.values():
                closing.callback(kek.close)

    def _turn(self) -> threading.Lock:
        """This thread's turn, for a whole call: the locks below are not made for a thread that waits for itself."""
        self._check_usable()
        self.check_free()
        return self._threads.taken

    def _snapshot(self) -> Snapshot:
        """What the keystore says. Events that wait are sent first: a change takes effect once the audit trail has it."""
        snapshot = self._keystore.snapshot()
        if snapshot.unsent:
            self._deliver()
        return snapshot

    def _change(self, decide: Callable[[Snapshot], Change]) -> Snapshot:
        """Change the keystore and send the events of it. Raises AuditUnavailable; then whoever comes next sends them first."""
        if self._keystore.snapshot().unsent:
            self._deliver()
        after = self._keystore.change(decide)
        self._deliver()
        return after

    def _deliver(self) -> None:
        self._keystore.deliver(lambda entries: self._sink.send([entry.line for entry in entries]))

    def _maker(self, request: Request) -> Maker:
        return Maker(self._root, self.room_id, self._who(request), utc_now())

    @contextmanager
    def _case(self, request: Request, action: Action) -> Iterator[Case]:
        """One request from start to end: what goes wrong is recorded before it is told."""
        case = Case(request, action)
        try:
            yield case
        except (AccessDenied, AuditUnavailable):
            # the first is recorded already, the second cannot be
            raise
        except Exception as error:
            self._record_failure(case, error)
            raise

    def _check_usable(self) -> None:
        if self._closed:
            raise KeyUnavailable("this room was closed: open it again")
        if self._process != os.getpid():
            raise KeyUnavailable("this room was opened before a fork: open it again in the child")

    def _authorise(self, case: Case, resource: Resource) -> None:
        """Ask the policy. Raises AccessDenied once the refusal is durable in the audit trail."""
        case.resource = resource
        decision = judge(self._policy, case.request, case.action, resource)
        if decision.allowed:
            return
        self._sink.record(
            Denied(
                who=self._who(case.request),
                action=str(case.action),
                data_class=resource.data_class,
                key_id=resource.key_id,
                version=resource.version,
                why=decision.reason,
            )
        )
        raise AccessDenied(f"{case.action} was refused: {decision.reason}")

    def _usable_kek(self, record: VersionRecord, operation: Operation) -> AesWrappingKey:
        """The KEK of a version whose state allows `operation`. Raises KeyStateForbids."""
        state = record.state_at(utc_now())
        if not may(state, operation):
            raise KeyStateForbids(f"key {record.key_id} version {record.version} is {state}: it may not {operation}")
        name = KeyName(record.key_id, record.version)
        with self._lock:
            if self._closed:
                raise KeyUnavailable("this room was closed: open it again")
            if name not in self._keks:
                self._keks[name] = self._unwrap_kek(record)
            return self._keks[name]

    def _unwrap_kek(self, record: VersionRecord) -> AesWrappingKey:
        if record.wrapped_kek is None:
            raise RoomTampered(f"key_versions {record.key_id}/{record.version}: it is {record.state} and has no KEK")
        binding = kek_binding(self.room_id, record.root_version, record.key_id, record.version)
        try:
            return self._root.unwrap_kek(record.wrapped_kek, binding)
        except AuthenticationFailed:
            raise RoomTampered(
                f"key_versions {record.key_id}/{record.version}: the wrapped KEK is not one that this room's root has wrapped"
            ) from None

    def _open_lease(
        self, case: Case, record: VersionRecord, data_class: DataClass, context: Mapping[str, str]
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
            opened=utc_now(),
            seconds=data_class.lease_seconds,
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

    def _record_failure(self, case: Case, error: Exception) -> None:
        code = error.code if isinstance(error, StrongroomError) else "internal"
        if case.lease is not None:
            self._sink.record(self._lease_closed(case.request, case.lease, 0, 0, code))
            return
        self._sink.record(
            Failed(
                who=self._who(case.request),
                action=str(case.action),
                data_class=case.resource.data_class,
                key_id=case.resource.key_id,
                version=case.resource.version,
                error=code,
            )
        )

    def _lease_closed(
        self, request: Request, lease: Lease, messages: int, byte_count: int, outcome: str
    ) -> LeaseClosed:
        return LeaseClosed(
            who=self._who(request),
            lease=lease.id,
            data_class=lease.data_class,
            key_id=lease.key_id,
            version=lease.version,
            messages=messages,
            bytes=byte_count,
            outcome=outcome,
        )

    def _who(self, request: Request) -> Who:
        return Who.of(request, self._actor)


class Turns(threading.local):
    """A lock for each thread, taken while that thread is inside: only its own signal handlers can find it so."""

    def __init__(self) -> None:
        # entered without a bytecode in between, at which an interrupt could leave it taken for ever
        self.taken = threading.Lock()


NOTHING_YET = Resource()


@dataclass(slots=True)
class Case:
    """What is known of a request while it is handled."""

    request: Request
    action: Action
    resource: Resource = NOTHING_YET
    lease: Lease | None = None


def resource_of_class(snapshot: Snapshot, name: str) -> Resource:
    """A class and its primary version, as far as they exist."""
    data_class = snapshot.classes.get(name)
    key = snapshot.keys.get(data_class.key_id) if data_class else None
    return Resource(name, key.id if key else None, key.primary_version if key else None)


def choose_edk(snapshot: Snapshot, edks: Sequence[Edk]) -> tuple[Edk, KeyName]:
    """The first EDK that names a key version of this room. Raises KeyNotFound saying what they name instead."""
    ours = [(edk, KeyName.from_provider_info(edk.provider_info)) for edk in edks if edk.provider_id == NAMESPACE]
    for edk, name in ours:
        if name is not None and (name.key_id, name.version) in snapshot.versions:
            return edk, name
    named = ", ".join(f"key {name}" for _, name in ours if name is not None)
    if named:
        raise KeyNotFound(f"this room does not hold what the message was encrypted under: {named}")
    providers = ", ".join(sorted({edk.provider_id for edk in edks})) or "no provider"
    raise KeyNotFound(f"the message was not encrypted under a key of a Strongroom room: it names {providers}")


def key_of(description: Description, key_id: str) -> Key:
    """The key with this id, which exists."""
    return next(key for key in description.keys if key.id == key_id)


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


# what a DEK is unwrapped for, and what policy is asked: whoever may re-encrypt need not be allowed to read
UNWRAPPING = {Operation.DECRYPT: Action.UNWRAP, Operation.REENCRYPT: Action.REENCRYPT}
