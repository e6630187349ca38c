"""The audit log: entries that are durable before anything is released, and then stand in a tree that others can verify.

Specified in docs/spec/audit.md. An entry goes to the file `pending` first, where threads share an fdatasync and processes take
turns by a lock. Sealing puts what stands there into tiles, under a checkpoint.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from strongroom.audit.beginning import begin
from strongroom.audit.events import Recovered, Who, WriterStarted, WriterStopped, make_ready
from strongroom.audit.locks import Lock
from strongroom.audit.pending import Pending, Span
from strongroom.audit.scribe import Scribe, Task
from strongroom.audit.sealing import Sealing
from strongroom.audit.sink import Head
from strongroom.errors import AuditUnavailable, KeystoreUnavailable
from strongroom.keys import new_id
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from strongroom.audit.checkpoint import Tree
    from strongroom.audit.events import Event
    from strongroom.audit.sealing import Notary

Result = TypeVar("Result")


class AuditLog:
    """The log in the directory `folder`. Thread-safe; not to be used in a forked child.

    Without a `notary` it only takes entries, which the next to open it seals. One that is `announced` says in the log when it
    began to append, and when it stopped. An fsync that fails poisons the log: what the
    kernel then holds is unknown, so nothing more is acknowledged. Raises AuditUnavailable, and AuditTampered for a log that
    is not what it was.
    """

    def __init__(self, folder: Path, actor: str, notary: Notary | None = None, *, announced: bool = False) -> None:
        self._folder = folder
        self._actor = actor
        self._notary = notary
        self._process = os.getpid()
        # who holds it alone knows what `_pending` is, and what it holds
        self._files = threading.Lock()
        self._left: list[Pending] = []
        self._is_durable = True
        self._writer = new_id() if announced else None
        self._written = 0
        self._seal_at = SEAL_AT
        self._closed = False
        self._scribe = Scribe(self._commit, f"the audit log {folder}")
        self._sealers: list[Scribe] = []
        make_ready()
        with self._failures("opened"):
            self._lock = Lock(folder / "lock")
        try:
            self._bounded(self._open)
        except BaseException:
            self._shut([])
            raise
        try:
            self._seal()
        except BaseException:
            self._release()
            raise

    def record(self, event: Event) -> None:
        """Append `event` and wait until it is durable. Raises AuditUnavailable."""
        self._hand_in([event.entry()])
        if self._pending.count >= self._seal_at:
            self._seal(wait=False)

    def note(self, event: Event) -> None:
        """Append `event` without waiting for the disk. Raises AuditUnavailable."""
        self._hand_in([event.entry()], durable=False)

    def send(self, lines: Sequence[bytes]) -> None:
        """Append entries and wait until they are durable. Raises AuditUnavailable.

        Seals nothing: whoever sends may hold the keystore, which a checkpoint needs.
        """
        self._hand_in([entry_of(line) for line in lines])

    def head(self) -> Head:
        """How far the log has come, all of it sealed."""
        self._check_usable()
        tree = self._seal()
        if self._notary is None or tree is None:
            raise AuditUnavailable("the audit log cannot be signed now")
        return Head(self._notary.verifier.name, tree.size, tree.root.hex())

    def close(self) -> None:
        """Make everything durable, seal it and close the log. May be called again."""
        try:
            if not self._closed and self._scribe.poison is None and self._process == os.getpid():
                last = [self._stopped()] if self._writer and self._written else []
                if last or not self._is_durable:
                    self._hand_in(last)
                self._seal()
        finally:
            self._release()

    def _open(self, _: Scribe) -> None:
        with self._failures("opened"), self._lock.held():
            begin(self._folder, self._actor)
            self._pending = Pending(self._folder / "pending")
            try:
                self._catch_up()
            except BaseException:
                self._pending.close()
                raise

    def _release(self) -> None:
        if not self._closed:
            self._closed = True
            self._shut([*self._left, self._pending])

    def _shut(self, files: Sequence[Pending]) -> None:
        # what threads of the parent were doing when they were not copied into this child concerns nobody here
        is_child = self._process != os.getpid()
        if is_child or all(scribe.rest() for scribe in (self._scribe, *self._sealers)):
            for pending in files:
                pending.close()
            self._lock.close()
        # else a thread comes back one day, and must not find other files under these numbers

    def _check_usable(self) -> None:
        if self._closed:
            raise AuditUnavailable("the audit log was closed")
        if self._process != os.getpid():
            # parent and child share one open file, so its lock would not keep them apart
            raise AuditUnavailable("the audit log was opened before a fork: open the room again in the child")
        if self._scribe.poison is not None:
            raise AuditUnavailable(self._scribe.poison)

    # --- appending -----------------------------------------------------------------------------------------------

    def _hand_in(self, entries: Sequence[bytes], *, durable: bool = True) -> None:
        self._check_usable()
        self._scribe.hand_in(Task(entries, durable=durable))

    def _commit(self, tasks: Sequence[Task]) -> None:
        """Write the entries of tasks at once, and make them durable if one of them waits for that."""
        with self._files, self._failures("written"), self._alone():
            self._scribe.beat()
            self._check_usable()
            for pending in self._left:
                pending.close()
            self._left.clear()
            self._write_all([entry for task in tasks for entry in task.entries])
            descriptor = self._pending.descriptor
        self._scribe.end([task for task in tasks if not task.durable])
        if not self._is_durable and any(task.durable for task in tasks):
            self._scribe.beat()
            self._fdatasync(descriptor)
            self._is_durable = True

    def _write_all(self, entries: Sequence[bytes]) -> None:
        """Write entries, behind one that says who begins to."""
        is_first = self._writer is not None and self._written == 0 and len(entries) > 0
        self._write([self._started(), *entries] if is_first else entries)
        self._written += len(entries)

    def _write(self, entries: Sequence[bytes]) -> None:
        if entries:
            self._is_durable = False
            if not self._pending.append(entries):
                raise AuditUnavailable(f"the audit log {self._folder} cannot be written: no space for a whole entry")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the log against other writers, and know all that they have written."""
        with self._lock.held():
            try:
                if not self._pending.is_current():
                    self._left.append(self._pending)
                    self._pending = Pending(self._folder / "pending")
            except FileNotFoundError:
                raise AuditUnavailable(f"the audit log {self._folder} was removed while in use") from None
            self._catch_up()
            yield

    def _catch_up(self) -> None:
        """Read what others have written, and cut what a crash has left of theirs."""
        torn = self._pending.refresh()
        if torn:
            self._mend(torn)

    def _mend(self, torn: int) -> None:
        """Cut what a crash has left, which no live process can be writing while the lock is held."""
        self._pending.check_torn(self._pending.end.offset + torn)
        self._pending.cut()
        self._write([Recovered(who=self._who("a crash left the last entry torn"), bytes_cut=torn).entry()])

    def _fdatasync(self, descriptor: int) -> None:
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            self._spoil(error)

    def _spoil(self, error: OSError) -> None:
        why = f"the audit log {self._folder} could not be made durable ({error.strerror}): open the room again"
        self._scribe.spoil(why)
        raise AuditUnavailable(why) from error

    def _started(self) -> bytes:
        return WriterStarted(who=self._who(""), writer=self._writer or "").entry()

    def _stopped(self) -> bytes:
        return WriterStopped(who=self._who(""), writer=self._writer or "", entries=self._written).entry()

    def _who(self, reason: str) -> Who:
        return Who.of(Request("strongroom", "audit", reason), self._actor)

    # --- sealing -------------------------------------------------------------------------------------------------

    def _seal(self, *, wait: bool = True) -> Tree | None:
        """Put what is pending under a checkpoint, unless nobody can sign now, or someone else is at it and we do not wait."""
        notary = self._notary
        if notary is None:
            return None

        def seal(scribe: Scribe) -> Tree | None:
            return Sealing(self._folder, notary, self._prefix, self._trim, scribe.beat).run(wait=wait)

        try:
            return self._bounded(seal)
        except KeystoreUnavailable:
            # the entries are durable where they are, and wait there for the next
            self._seal_at = self._pending.count + SEAL_AT
            return None
        except OSError as error:
            self._spoil(error)
            return None

    def _bounded(self, work: Callable[[Scribe], Result]) -> Result:
        """What `work` gives. Raises AuditUnavailable, for good, where a step of it does not end."""
        outcome: list[Result] = []
        scribe = Scribe(lambda _: outcome.append(work(scribe)), f"the audit log {self._folder}")
        self._sealers = [*(other for other in self._sealers if other.is_busy()), scribe]
        try:
            scribe.hand_in(Task())
        finally:
            if scribe.poison is not None:
                self._scribe.spoil(scribe.poison)
            scribe.rest()
        return outcome[0]

    def _prefix(self) -> tuple[Pending, Span]:
        """What is pending now, made durable: the file, which the caller closes, and how far it goes."""
        with self._files, self._failures("read"), self._alone():
            pending, end = Pending(self._folder / "pending"), self._pending.end
        try:
            if end != pending.start:
                os.fdatasync(pending.descriptor)
        except BaseException:
            pending.close()
            raise
        return pending, end

    def _trim(self, sealed: int) -> None:
        """Leave only what is behind `sealed` entries. What is left was never signed, and goes over as it is."""
        with self._files, self._failures("written"), self._alone():
            self._pending.replace(sealed)
            self._left.append(self._pending)
            self._pending = Pending(self._folder / "pending")
            self._pending.refresh()
            self._seal_at = SEAL_AT

    @contextmanager
    def _failures(self, what: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuditUnavailable(f"the audit log {self._folder} cannot be {what}: {error.strerror}") from error


def entry_of(line: bytes) -> bytes:
    """An entry from its line: all but the newline."""
    return line.removesuffix(b"\n")


# entries that wait for a checkpoint: each of them costs a look at the keystore and some files
SEAL_AT = 1024
