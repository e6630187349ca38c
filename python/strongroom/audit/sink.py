"""Where entries go: the seam, and an append-only file of JSON Lines."""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from strongroom.audit.events import Event, Recovered, Who
from strongroom.errors import AuditUnavailable
from strongroom.files import FILE_MODE, sync_directory
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Head:
    """How far an audit trail has come: its bytes, and the SHA-256 over them in hex."""

    length: int
    digest: str


class Sink(Protocol):
    """Takes events. Raises AuditUnavailable when it cannot, and then nothing may be released."""

    def record(self, event: Event) -> None:
        """Take `event`; it is durable on return."""
        ...

    def note(self, event: Event) -> None:
        """Take `event`; it becomes durable with the next one recorded, or when the sink is closed."""
        ...

    def send(self, lines: Sequence[bytes]) -> None:
        """Take entries as they were written elsewhere, perhaps again; they are durable on return."""
        ...

    def head(self) -> Head:
        """How far the trail has come."""
        ...

    def close(self) -> None:
        """Make everything durable and release the sink."""
        ...


class JsonLinesSink:
    """Appends to one file. Threads share an fdatasync, processes take turns by flock.

    An fsync that fails poisons the sink: what the kernel then holds is unknown, so nothing more is acknowledged.
    """

    def __init__(self, path: Path, actor: str) -> None:
        self._path = path
        self._actor = actor
        self._process = os.getpid()
        self._poison: str | None = None
        self._written = 0
        self._durable = 0
        self._syncing = False
        self._turn = threading.Condition()
        self._descriptor = self._open()
        try:
            with self._turn, self._alone() as size:
                self._mend(size)
            self._sync(self._written)
        except BaseException:
            os.close(self._descriptor)
            raise

    def record(self, event: Event) -> None:
        """Append `event` and wait until it is durable. Raises AuditUnavailable."""
        self._sync(self._append(event.line()))

    def note(self, event: Event) -> None:
        """Append `event` without waiting. Raises AuditUnavailable."""
        self._append(event.line())

    def send(self, lines: Sequence[bytes]) -> None:
        """Append entries and wait until they are durable. Raises AuditUnavailable."""
        for line in lines:
            self._append(line)
        self._sync(self._written)

    def head(self) -> Head:
        """How far the file has come. It only grows, so what is read meanwhile is what was there."""
        with self._turn:
            self._check_usable()
            try:
                with self._alone() as size:
                    left = self._mend(size)
                digest, length = hashlib.sha256(), left
                while left > 0:
                    block = os.pread(self._descriptor, min(left, BLOCK), length - left)
                    if not block:
                        raise AuditUnavailable(f"the audit trail {self._path} was cut while in use")
                    digest.update(block)
                    left -= len(block)
            except OSError as error:
                raise AuditUnavailable(f"the audit trail {self._path} cannot be read: {error.strerror}") from error
        return Head(length, digest.hexdigest())

    def close(self) -> None:
        """Make everything durable and close the file. May be called again."""
        if self._process != os.getpid():
            # the lock may have been held by a thread that the fork did not copy
            self._release()
            return
        try:
            if self._descriptor >= 0 and self._poison is None:
                self._sync(self._written)
        finally:
            with self._turn:
                while self._syncing:
                    self._turn.wait()
                self._release()

    def _release(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def _open(self) -> int:
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            descriptor = os.open(self._path, flags, FILE_MODE)
            sync_directory(self._path.parent)
        except OSError as error:
            raise AuditUnavailable(f"the audit trail {self._path} cannot be opened: {error.strerror}") from error
        return descriptor

    def _append(self, line: bytes) -> int:
        """Write `line`, and return its place in the order of this process's writes."""
        with self._turn:
            self._check_usable()
            try:
                with self._alone() as size:
                    self._write(line, self._mend(size))
            except OSError as error:
                raise AuditUnavailable(f"the audit trail {self._path} cannot be written: {error.strerror}") from error
            return self._written

    def _check_usable(self) -> None:
        if self._descriptor < 0:
            raise AuditUnavailable("the audit trail was closed")
        if self._poison is not None:
            raise AuditUnavailable(self._poison)
        if self._process != os.getpid():
            # parent and child share one open file, so flock would not keep them apart
            raise AuditUnavailable("the audit trail was opened before a fork: open the room again in the child")

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Hold the file against other processes. Gives its size."""
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)
        try:
            status = os.fstat(self._descriptor)
            if status.st_nlink == 0:
                raise AuditUnavailable(f"the audit trail {self._path} was removed while in use")
            yield status.st_size
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _mend(self, size: int) -> int:
        """Cut a torn last line, which no live process can be writing while the lock is held. Returns the size then."""
        if size == 0 or os.pread(self._descriptor, 1, size - 1) == b"\n":
            return size
        whole = end_of_last_line(self._descriptor, size)
        os.ftruncate(self._descriptor, whole)
        who = Who.of(Request("strongroom", "audit", "a crash left the last entry torn"), self._actor)
        line = Recovered(who=who, bytes_cut=size - whole).line()
        self._write(line, whole)
        return whole + len(line)

    def _write(self, line: bytes, size: int) -> None:
        """One write per entry. A short one is taken back, so that a full disk leaves no torn line."""
        written = os.write(self._descriptor, line)
        if written != len(line):
            os.ftruncate(self._descriptor, size)
            raise AuditUnavailable(f"the audit trail {self._path} cannot be written: no space for a whole entry")
        self._written += 1

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
                covered = self._written
            self._fdatasync()
            durable = covered
        finally:
            # Ctrl-C can end this at any point, and must not leave other threads waiting for our turn to end
            if ours:
                with self._turn:
                    self._syncing = False
                    self._durable = max(self._durable, durable)
                    self._turn.notify_all()

    def _fdatasync(self) -> None:
        try:
            os.fdatasync(self._descriptor)
        except OSError as error:
            self._poison = (
                f"the audit trail {self._path} could not be made durable ({error.strerror}): open the room again"
            )
            raise AuditUnavailable(self._poison) from error


def end_of_last_line(descriptor: int, size: int) -> int:
    """The offset behind the last newline, 0 if there is none."""
    end = size
    while end > 0:
        start = max(0, end - BLOCK)
        at = os.pread(descriptor, end - start, start).rfind(b"\n")
        if at >= 0:
            return start + at + 1
        end = start
    return 0


BLOCK = 65_536
