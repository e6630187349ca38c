"""Commits that threads share, on a disk that may never answer.

An fdatasync cannot be interrupted, nor can a write to a disk that is frozen. So both happen in a thread of the log's own, which can
be left behind; who hands something in waits for it, and not for ever. The thread is there while there is work and for a moment
after, since a new one for each commit would cost as much as a fast disk does. It makes way for a fork.
"""

from __future__ import annotations

import os
import threading
import time
from _thread import start_new_thread
from contextlib import suppress
from copy import copy
from typing import TYPE_CHECKING
from weakref import WeakSet

from strongroom.errors import AuditUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Task:
    """Entries to write, and whether to wait until they and all before them are on the disk."""

    __slots__ = ("done", "durable", "entries", "failure", "news")

    def __init__(self, entries: Sequence[bytes] = (), *, durable: bool = True) -> None:
        self.entries = entries
        self.durable = durable
        self.done = False
        self.failure: BaseException | None = None
        self.news = threading.Lock()
        self.news.acquire()


class Scribe:
    """Lets `commit` do all tasks that wait, in their order, in one thread at a time. Thread-safe.

    `what` names the log in errors. Once a step takes longer than it may, everything has failed, now and later.
    A thread whose wait is interrupted leaves its task behind, which may be done nevertheless.
    """

    def __init__(self, commit: Callable[[Sequence[Task]], None], what: str) -> None:
        self._commit = commit
        self._what = what
        self._turn = threading.RLock()
        self._waiting: list[Task] = []
        self._in_hand: list[Task] = []
        self._until = 0.0
        self._has_thread = False
        self._thread: int | None = None
        self._leaves = False
        self._bell = threading.Lock()
        self._bell.acquire()
        self.poison: str | None = None
        SCRIBES.add(self)

    def hand_in(self, task: Task) -> None:
        """Return once `task` is done. Raises what it failed with, AuditUnavailable where the disk does not answer."""
        with self._turn:
            if self.poison is not None:
                raise AuditUnavailable(self.poison)
            self._waiting.append(task)
            if not self._in_hand:
                self._begin()
        while not task.news.acquire(timeout=max(0.0, self._left())):
            with self._turn:
                if self._left() <= 0:
                    self.spoil(f"{self._what} got no answer from its disk: open the room again")
        if task.failure is not None:
            # each thread its own: what is raised collects where it went through
            raise copy(task.failure) from task.failure

    def beat(self, seconds: float | None = None) -> None:
        """Say that a step has ended: the time for the next begins now, PATIENCE if None is given."""
        self._until = time.monotonic() + (PATIENCE if seconds is None else seconds)

    def end(self, tasks: Sequence[Task], failure: BaseException | None = None) -> None:
        """Let those who wait for `tasks` go on. What is done already stays so."""
        with self._turn:
            for task in tasks:
                if not task.done:
                    task.done, task.failure = True, failure
                    task.news.release()

    def spoil(self, why: str) -> None:
        """Fail everything, now and later."""
        with self._turn:
            self.poison = self.poison or why
            self.end([*self._in_hand, *self._waiting], AuditUnavailable(self.poison))
            self._waiting.clear()

    def is_busy(self) -> bool:
        """Whether the thread is at work, or left behind there."""
        return bool(self._in_hand)

    def rest(self) -> bool:
        """Wait until nothing is to be done, and let the thread end for good. False where it does not come back in time."""
        while self._in_hand and self._left() > 0:
            time.sleep(SHORT)
        self._leaves = True
        self._ring()
        return not self._in_hand

    def make_way(self) -> None:
        """Wait until there is no thread, unless it has something to do."""
        before, self._leaves = self._leaves, True
        deadline = time.monotonic() + MOMENT
        while self._has_thread and not self._in_hand and time.monotonic() < deadline:
            self._ring()
            time.sleep(SHORT)
        self._leaves = before
        # the kernel counts it out a moment later
        task = f"/proc/self/task/{self._thread}"
        while not self._has_thread and os.access(task, os.F_OK) and time.monotonic() < deadline:
            time.sleep(SHORT)

    def _begin(self) -> None:
        """Set the thread to work on what waits."""
        claim = threading.Lock()
        try:
            self._call(claim)
        except RuntimeError:
            # there are no new threads while the interpreter ends
            self._work_off()
        except BaseException:
            # an interrupt, before or after any step of it: once more changes nothing
            self._call(claim)
            raise

    def _call(self, claim: threading.Lock) -> None:
        self.beat()
        if not self._in_hand:
            self._in_hand, self._waiting = self._waiting, []
        if self._has_thread:
            self._ring()
        else:
            start_new_thread(self._work, (claim,))
            self._has_thread = True

    def _ring(self) -> None:
        with suppress(RuntimeError):
            # rung already
            self._bell.release()

    def _work(self, claim: threading.Lock) -> None:
        if claim.acquire(blocking=False):
            self._thread = threading.get_native_id()
            while self._has_work():
                self._work_off()

    def _has_work(self) -> bool:
        """Wait for work, though not for long."""
        while not self._in_hand:
            rung = self._bell.acquire(timeout=LINGER)
            with self._turn:
                if not self._in_hand and (self._leaves or not rung):
                    self._has_thread = False
                    return False
        return True

    def _work_off(self) -> None:
        while self._in_hand:
            failure = self._outcome(self._in_hand)
            with self._turn:
                self.end(self._in_hand, failure)
                self._in_hand, self._waiting = self._waiting, []
                self.beat()

    def _outcome(self, tasks: Sequence[Task]) -> BaseException | None:
        try:
            self._commit(tasks)
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            return error
        return None

    def _left(self) -> float:
        return self._until - time.monotonic()


def make_way() -> None:
    """Before a fork: a child has no other threads, and Python warns of those that there are."""
    for scribe in list(SCRIBES):
        scribe.make_way()


PATIENCE = 10.0
"""Seconds for one step: a disk that is well makes an fdatasync in milliseconds."""
LINGER = 1.0
"""Seconds that a thread waits for more work."""
MOMENT = 1.0
SHORT = 0.0002
SCRIBES: WeakSet[Scribe] = WeakSet()
os.register_at_fork(before=make_way)
