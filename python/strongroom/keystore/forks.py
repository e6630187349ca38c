"""No fork inside a transaction: SQLite in the child would believe in the locks of threads that it has not.

SQLite keeps a list of its locks for the whole process, and a fork copies it as it is. So a fork waits until no other
thread is in a database, closes the idle connections (https://sqlite.org/howtocorrupt.html, section 2.6), and keeps
everyone out until it is done.

Every thread has a lock of its own and holds it during a transaction, so threads do not wait for each other. The locks are
reentrant: what interrupts a transaction is a signal handler in the same thread, which may use another database, or fork.
A child forked in spite of a transaction is torn: it opens no database.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from strongroom.errors import KeystoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Engine


class ForkGate:
    """Where transactions and forks wait for each other."""

    def __init__(self) -> None:
        self._torn = False
        self._engines: WeakSet[Engine] = WeakSet()
        self._renew()

    def watch(self, engine: Engine) -> None:
        """Close the idle connections of `engine` before a fork."""
        self._engines.add(engine)

    def check(self) -> None:
        """Raises KeystoreUnavailable in a child that was forked in spite of a transaction."""
        if self._torn:
            raise KeystoreUnavailable(
                "this process was forked inside a transaction of a keystore and cannot tell its locks from its parent's: "
                "start processes by `spawn`"
            )

    def inside(self) -> threading.RLock:
        """The lock to hold while in a database."""
        own = self._own.lock
        if not is_held(own):
            # else a thread that goes in and out without pause could overtake the one that forks, again and again
            with self._door:
                pass
        return own

    def before_fork(self) -> None:
        """Shut the door and wait until the others are out, though not for ever."""
        self._own.alone = False
        deadline = time.monotonic() + PATIENCE
        if not take(self._door, deadline):
            return
        others = [lock for lock in list(self._locks) if lock is not self._own.lock]
        out = all(take(lock, deadline) for lock in others)
        if out and not is_held(self._own.lock):
            for engine in list(self._engines):
                engine.dispose()
            self._own.alone = True

    def after_in_parent(self) -> None:
        """Let everyone in again."""
        if not is_held(self._door):
            return
        for lock in list(self._locks):
            # an interrupt may have left some untaken
            if lock is not self._own.lock and is_held(lock):
                lock.release()
        self._door.release()

    def after_in_child(self) -> None:
        """Begin anew, as the only thread."""
        self._torn = self._torn or not self._own.alone
        self._renew()

    def _renew(self) -> None:
        self._door = threading.RLock()
        self._locks: WeakSet[threading.RLock] = WeakSet()
        self._own = Own(self._door, self._locks)


class Own(threading.local):
    """What belongs to the thread that asks: its lock, and whether it was alone when it forked."""

    def __init__(self, door: threading.RLock, locks: WeakSet[threading.RLock]) -> None:
        self.alone = False
        self.lock = threading.RLock()
        # at the door, so that a fork under way overlooks nobody
        with door:
            locks.add(self.lock)


class OwnConnection(sqlite3.Connection):
    """A connection that touches nothing in a forked child, where its locks do not hold."""

    _process = 0

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._process = os.getpid()

    def cursor(self, *args: Any, **named: Any) -> Any:
        """A cursor. Raises ProgrammingError in a forked child."""
        self._check()
        return super().cursor(*args, **named)

    def commit(self) -> None:
        """Commit. Raises ProgrammingError in a forked child."""
        self._check()
        super().commit()

    def rollback(self) -> None:
        """Roll back; in a forked child the transaction is the parent's, and goes on there."""
        if not self._is_inherited():
            super().rollback()

    def close(self) -> None:
        """Close; not in a forked child, where that would roll back."""
        if not self._is_inherited():
            super().close()

    def _check(self) -> None:
        if self._is_inherited():
            raise sqlite3.ProgrammingError("a connection of the process that this one was forked from")

    def _is_inherited(self) -> bool:
        inherited = self._process != os.getpid()
        if inherited:
            # to free it would close it
            INHERITED.append(self)
        return inherited


def take(lock: threading.RLock, deadline: float) -> bool:
    """Whether `lock` could be had in time."""
    return lock.acquire(timeout=max(0, deadline - time.monotonic()))


def is_held(lock: threading.RLock) -> bool:
    """Whether this thread holds `lock`."""
    # what threading.Condition asks of its lock
    return bool(lock._is_owned())  # type: ignore[attr-defined]  # noqa: SLF001


# longer than a transaction that waits for another process, or for PostgreSQL
PATIENCE = 20
INHERITED: list[OwnConnection] = []
GATE = ForkGate()
os.register_at_fork(
    before=GATE.before_fork,
    after_in_parent=GATE.after_in_parent,
    after_in_child=GATE.after_in_child,
)
