"""The audit log: entries that are durable before anything is released, and then stand in a tree that others can verify.

Specified in docs/spec/audit.md. An entry goes to the file `pending` first, where threads share an fdatasync and processes take
turns by a lock. Sealing puts what stands there into tiles, under a checkpoint.
"""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strongroom.audit.beginning import begin
from strongroom.audit.events import Recovered, Who
from strongroom.audit.locks import Lock
from strongroom.audit.pending import Pending, Span
from strongroom.audit.sealing import Sealing
from strongroom.audit.sink import Head
from strongroom.errors import AuditUnavailable, KeystoreUnavailable
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from strongroom.audit.checkpoint import Tree
    from strongroom.audit.events import Event
    from strongroom.audit.sealing import Notary


class AuditLog:
    """The log in the directory `folder`. Thread-safe; not to be used in a forked child.

    Without a `notary` it only takes entries, which the next to open it seals. An fsync that fails poisons the log: what the
    kernel then holds is unknown, so nothing more is acknowledged. Raises AuditUnavailable, and AuditTampered for a log that
    is not what it was.
    """

    def __init__(self, folder: Path, actor: str, notary: Notary | None = None) -> None:
        self._folder = folder
        self._actor = actor
        self._notary = notary
        self._process = os.getpid()
        self._poison: str | None = None
        self._written = 0
        self._durable = 0
        self._syncing = False
        self._left: list[Pending] = []
        self._seal_at = SEAL_AT
        self._turn = threading.Condition()
        self._closed = False
        with self._failures("opened"):
            self._lock = Lock(folder / "lock")
            try:
                with self._lock.held():
                    begin(folder, actor)
                    self._pending = Pending(folder / "pending")
                    self._catch_up()
            except BaseException:
                self._lock.close()
                raise
        try:
            self._seal()
        except BaseException:
            self._release()
            raise

    def record(self, event: Event) -> None:
        """Append `event` and wait until it is durable. Raises AuditUnavailable."""
        self._sync(self._append(event.entry()))
        if self._pending.count >= self._seal_at:
            self._seal(wait=False)

    def note(self, event: Event) -> None:
        """Append `event` without waiting. Raises AuditUnavailable."""
        self._append(event.entry())

    def send(self, lines: Sequence[bytes]) -> None:
        """Append entries and wait until they are durable. Raises AuditUnavailable.

        Seals nothing: whoever sends may hold the keystore, which a checkpoint needs.
        """
        self._sync(self._append(*map(entry_of, lines)))

    def head(self) -> Head:
        """How far the log has come, all of it sealed."""
        with self._turn:
            self._check_usable()
        tree = self._seal()
        if self._notary is None or tree is None:
            raise AuditUnavailable("the audit log cannot be signed now")
        return Head(self._notary.verifier.name, tree.size, tree.root.hex())

    def close(self) -> None:
        """Make everything durable, seal it and close the log. May be called again."""
        if self._process != os.getpid():
            # the lock may have been held by a thread that the fork did not copy
            self._release()
            return
        try:
            if not self._closed and self._poison is None:
                self._sync(self._written)
                self._seal()
        finally:
            with self._turn:
                while self._syncing:
                    self._turn.wait()
                self._release()

    def _release(self) -> None:
        if not self._closed:
            self._closed = True
            for pending in (*self._left, self._pending):
                pending.close()
            self._lock.close()

    def _append(self, *entries: bytes) -> int:
        """Write entries, and return the place of the last in the order of this process's writes."""
        with self._turn:
            self._check_usable()
            with self._failures("written"), self._alone():
                for entry in entries:
                    self._write(entry)
            return self._written

    def _write(self, entry: bytes) -> None:
        if not self._pending.append(entry):
            raise AuditUnavailable(f"the audit log {self._folder} cannot be written: no space for a whole entry")
        self._written += 1

    def _check_usable(self) -> None:
        if self._closed:
            raise AuditUnavailable("the audit log was closed")
        if self._poison is not None:
            raise AuditUnavailable(self._poison)
        if self._process != os.getpid():
            # parent and child share one open file, so its lock would not keep them apart
            raise AuditUnavailable("the audit log was opened before a fork: open the room again in the child")

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
            if not self._syncing:
                for pending in self._left:
                    pending.close()
                self._left.clear()
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
        who = Who.of(Request("strongroom", "audit", "a crash left the last entry torn"), self._actor)
        self._write(Recovered(who=who, bytes_cut=torn).entry())

    def _sync(self, place: int) -> None:
        """Wait until the write at `place` is durable: join an fdatasync that covers it, or make one."""
        ours, durable = False, 0
        try:
            with self._turn:
                while self._syncing and self._durable < place:
                    self._turn.wait()
                self._check_usable()
                if self._durable >= place:
                    return
                ours = self._syncing = True
                covered, descriptor = self._written, self._pending.descriptor
            self._fdatasync(descriptor)
            durable = covered
        finally:
            # Ctrl-C can end this at any point, and must not leave other threads waiting for our turn to end
            if ours:
                with self._turn:
                    self._syncing = False
                    self._durable = max(self._durable, durable)
                    self._turn.notify_all()

    def _fdatasync(self, descriptor: int) -> None:
        try:
            os.fdatasync(descriptor)
        except OSError as error:
            self._spoil(error)

    def _spoil(self, error: OSError) -> None:
        self._poison = f"the audit log {self._folder} could not be made durable ({error.strerror}): open the room again"
        raise AuditUnavailable(self._poison) from error

    def _seal(self, *, wait: bool = True) -> Tree | None:
        """Put what is pending under a checkpoint, unless nobody can sign now, or someone else is at it and we do not wait."""
        if self._notary is None:
            return None
        try:
            return Sealing(self._folder, self._notary, self._prefix, self._trim).run(wait=wait)
        except KeystoreUnavailable:
            # the entries are durable where they are, and wait there for the next
            self._seal_at = self._pending.count + SEAL_AT
            return None
        except OSError as error:
            self._spoil(error)
            return None

    def _prefix(self) -> tuple[Pending, Span]:
        """What is pending now, made durable: the file, which the caller closes, and how far it goes."""
        with self._turn, self._failures("read"), self._alone():
            pending, end = Pending(self._folder / "pending"), self._pending.end
        try:
            os.fdatasync(pending.descriptor)
        except BaseException:
            pending.close()
            raise
        return pending, end

    def _trim(self, sealed: int) -> None:
        """Leave only what is behind `sealed` entries. What is left was never signed, and goes over as it is."""
        with self._turn, self._failures("written"), self._alone():
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
