"""Where every request is handled: whose turn it is, what policy says, what the audit trail is told, and what time it is."""

from __future__ import annotations

import os
import threading
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from strongroom.audit import Denied, Failed, LeaseClosed, Who
from strongroom.errors import AccessDenied, AuditUnavailable, KeyUnavailable, Misuse, StrongroomError
from strongroom.keys import Asker, next_date
from strongroom.keyservice.draft import Draft
from strongroom.keyservice.keks import Keks
from strongroom.keyservice.moves import settle
from strongroom.keyservice.roots import check_root
from strongroom.keyservice.supply import Supply, SupplyShortError, destroy
from strongroom.model import Lease, Request
from strongroom.policy import Action, Resource, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom.audit import Sink
    from strongroom.keys import TokenKek
    from strongroom.keystore import Change, Keystore, Snapshot
    from strongroom.model import Key
    from strongroom.policy import Policy
    from strongroom.providers import OpenRoot, RootFile, SealedRoot


class Desk:
    """What all parts of the keyservice share. Closes the keystore, root, policy and sink that it is given.

    Belongs to one process: in a forked child it raises KeyUnavailable.
    """

    def __init__(
        self,
        keystore: Keystore,
        root: OpenRoot,
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
        self._keks = Keks(root, room_id, keystore)
        self._calendar: tuple[int, datetime | None] = (-1, None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of room {self.room_id}{', closed' if self._closed else ''}>"

    def check_free(self) -> None:
        """See KeyService.check_free."""
        if self._process == os.getpid() and self._threads.taken.locked():
            raise Misuse("a signal handler cannot use the keys of a room while it interrupts a call that does")

    def close(self) -> None:
        """See KeyService.close."""
        self.check_free()
        # in a forked child, a thread that is not there may hold the lock
        with self._lock if self._process == os.getpid() else nullcontext():
            if self._closed:
                return
            self._closed = True
        with ExitStack() as closing:
            closing.callback(self._root.close)
            closing.callback(self._keks.close)
            closing.callback(self._keystore.close)
            # first: what it seals, the keystore remembers
            closing.callback(self._sink.close)

    def _turn(self) -> threading.Lock:
        """This thread's turn, for a whole call: the locks below are not made for a thread that waits for itself."""
        self._check_usable()
        self.check_free()
        return self._threads.taken

    def _check_usable(self) -> None:
        if self._closed:
            raise KeyUnavailable("this room was closed: open it again")
        if self._process != os.getpid():
            raise KeyUnavailable("this room was opened before a fork: open it again in the child")

    # --- the keystore --------------------------------------------------------------------------------------------

    def _snapshot(self) -> Snapshot:
        """What the keystore says now. What time has brought is written down first, and what waits for the trail is sent.

        So nothing is done by a state that a clock which is put back could take away again.
        """
        snapshot = self._keystore.snapshot()
        if snapshot.unsent:
            self._deliver()
        if not self._is_overdue(snapshot):
            return snapshot
        return self._draft(Request(str(Asker.CLOCK), "lifecycle", ""))

    def _change(self, decide: Callable[[Snapshot], Change]) -> Snapshot:
        """Change the keystore and send the events of it. Raises AuditUnavailable; then whoever comes next sends them first."""
        if self._keystore.snapshot().unsent:
            self._deliver()

        def checked(snapshot: Snapshot) -> Change:
            # what an old root would wrap now, nobody could unwrap later
            check_root(snapshot, self._root)
            return decide(snapshot)

        after = self._keystore.change(checked)
        self._deliver()
        return after

    def _draft(
        self, request: Request, fill: Callable[[Draft], None] | None = None, given: tuple[str, TokenKek] | None = None
    ) -> Snapshot:
        """The same by a draft on the newest state, in which time is settled. A draft that stays empty changes nothing.

        `given` is a KEK that is in a token already, for the first version that is made there.
        """

        def decide(snapshot: Snapshot) -> Change:
            supply.begin()
            draft = Draft(self._root, self.room_id, self._who(request), self._now(snapshot), snapshot, supply=supply)
            settle(draft)
            if fill is not None:
                fill(draft)
            if draft.is_empty():
                raise NothingToDoError
            change = draft.change()
            # before the keystore says so: what it says is gone must be
            destroy(draft.gone)
            return change

        supply = Supply()
        if given is not None:
            supply.give(*given)
        try:
            while True:
                try:
                    after = self._change(decide)
                except SupplyShortError as short:
                    supply.make(short.token, self.room_id)
                else:
                    supply.committed()
                    return after
        except NothingToDoError:
            return self._keystore.snapshot()
        finally:
            supply.close()

    def _deliver(self) -> None:
        self._keystore.deliver(lambda entries: self._sink.send([entry.line for entry in entries]))

    @contextmanager
    def _alone_with_root(self) -> Iterator[SealedRoot]:
        """Hold `root.json` against other writers. Gives the sealed root that this service works with."""
        with self._root_file.alone():
            check_root(self._snapshot(), self._root)
            yield self._root_file.read().at(self._root.version)

    def _now(self, snapshot: Snapshot) -> datetime:
        return snapshot.now(utc_now())

    def _described(self, snapshot: Snapshot, key_id: str) -> Key:
        """A key that exists, as it is now."""
        return snapshot.describe_key(snapshot.key(key_id))

    def _is_overdue(self, snapshot: Snapshot) -> bool:
        """Whether time has brought an edge that is not written down."""
        epoch, date = self._calendar
        if epoch != snapshot.epoch:
            date = first_date(snapshot)
            self._calendar = (snapshot.epoch, date)
        return date is not None and date <= self._now(snapshot)

    # --- requests ------------------------------------------------------------------------------------------------

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

    def _record_failure(self, case: Case, error: Exception) -> None:
        self._threads.recorded = error
        if case.lease is not None:
            self._sink.record(self._lease_closed(case.request, case.lease, 0, 0, code_of(error)))
            return
        self._sink.record(self._failed(case, error))

    def _failed(self, case: Case, error: Exception) -> Failed:
        return Failed(
            who=self._who(case.request),
            action=str(case.action),
            data_class=case.resource.data_class,
            key_id=case.resource.key_id,
            version=case.resource.version,
            error=code_of(error),
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
        # what went wrong last and is in the log
        self.recorded: Exception | None = None


class NothingToDoError(Exception):
    """Somebody else has done it meanwhile: no change, and no epoch."""


NOTHING_YET = Resource()


@dataclass(slots=True)
class Case:
    """What is known of a request while it is handled."""

    request: Request
    action: Action
    resource: Resource = NOTHING_YET
    lease: Lease | None = None


def first_date(snapshot: Snapshot) -> datetime | None:
    """When time will next change the state of a version."""
    classes = {key.id: snapshot.classes[key.data_class] for key in snapshot.keys.values()}
    dates = (next_date(record, classes[record.key_id]) for record in snapshot.versions.values())
    return min((date for date in dates if date is not None), default=None)


def code_of(error: Exception) -> str:
    """The stable code of an error."""
    return error.code if isinstance(error, StrongroomError) else "internal"


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)
