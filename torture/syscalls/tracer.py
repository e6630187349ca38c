"""Run a function in a forked child, and watch its system calls, or let one of them fail.

The interpreter and all modules are there already when the child begins, and what is done first (`ready`) is neither watched
nor disturbed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import FrameType

from torture.syscalls import ptrace
from torture.syscalls.faults import DONE_ALL_THE_SAME, Call, Fault, kind_of
from torture.syscalls.names import name_of

Work = Callable[[], int]
PATIENCE = 30.0


@dataclass
class Outcome:
    """How a child ended. `reached`: the call that was to fail was made. `code` is negative for a signal."""

    code: int | None = None
    reached: bool = False
    hung: bool = False
    calls: list[Call] = field(default_factory=list)


def watch(ready: Callable[[], None], work: Work, look: Callable[[], None] = lambda: None) -> Outcome:
    """Run `work` in a child and list its system calls, with what they returned. Before each, while the child stands, `look`."""
    return _Tracer(None, None, PATIENCE, look).trace(ready, work)


def disturb(ready: Callable[[], None], work: Work, call: Call, fault: Fault, patience: float = PATIENCE) -> Outcome:
    """Run `work` in a child in which something goes wrong with one call. After `patience` seconds it counts as hanging."""
    return _Tracer(call, fault, patience).trace(ready, work)


class _Tracer:
    """Sees a child through from its first system call to its end."""

    def __init__(
        self,
        target: Call | None,
        fault: Fault | None,
        patience: float,
        look: Callable[[], None] = lambda: None,
    ) -> None:
        self._look = look
        self._patience = patience
        self._target = target
        self._fault = fault
        self._outcome = Outcome()
        self._threads: dict[int, int] = {}
        self._turns: Counter[tuple[int, str]] = Counter()
        self._at_exit: dict[int, Callable[[int, ptrace.Registers], None]] = {}
        self._child = 0

    def trace(self, ready: Callable[[], None], work: Work) -> Outcome:
        self._child = os.fork()
        if self._child == 0:
            child(ready, work, None if self._target is None else self._target.number)
        # a group of its own, so that we wait for its threads and for no other child of this process
        os.setpgid(self._child, self._child)
        os.waitpid(self._child, WALL)
        ptrace.follow(self._child)
        self._threads[self._child] = 0
        ptrace.go_on(self._child)
        try:
            with time_limit(self._patience):
                while self._outcome.code is None:
                    self._next()
        except TimeoutError:
            self._outcome.hung = True
            os.kill(self._child, signal.SIGKILL)
        self._reap()
        return self._outcome

    def _next(self) -> None:
        tid, status = os.waitpid(-self._child, WALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if tid == self._child:
                self._outcome.code = os.waitstatus_to_exitcode(status)
            return
        is_new = tid not in self._threads
        self._threads.setdefault(tid, len(self._threads))
        event = status >> 8
        if event == ptrace.AT_SECCOMP:
            self._before(tid)
        elif event == ptrace.AT_EXIT:
            self._at_exit.pop(tid)(tid, ptrace.registers(tid))
            ptrace.go_on(tid)
        elif event >> 8 or (is_new and event == signal.SIGSTOP) or event == signal.SIGTRAP:
            ptrace.go_on(tid)
        else:
            ptrace.go_on(tid, signal_=event)

    def _before(self, tid: int) -> None:
        """A thread is about to make a system call."""
        now = ptrace.registers(tid)
        thread, name = self._threads[tid], kind_of(name_of(now.orig_rax), arguments(now))
        self._turns[thread, name] += 1
        turn = self._turns[thread, name]
        if self._target is None:
            self._look()
            self._note(tid, Call(thread, name, now.orig_rax, turn, arguments(now), 0))
        elif (thread, name, turn) == (self._target.thread, self._target.name, self._target.turn):
            self._outcome.reached = True
            self._fail(tid, now)
        else:
            ptrace.go_on(tid)

    def _note(self, tid: int, call: Call) -> None:
        place = len(self._outcome.calls)
        self._outcome.calls.append(call)

        def after(_tid: int, then: ptrace.Registers) -> None:
            self._outcome.calls[place] = replace(call, result=signed(then.rax))

        self._at_exit[tid] = after
        ptrace.go_on(tid, until_exit=True)

    def _fail(self, tid: int, now: ptrace.Registers) -> None:
        assert self._target is not None
        assert self._fault is not None
        if self._fault is Fault.SIGKILL:
            os.kill(self._child, signal.SIGKILL)
        elif self._fault is Fault.SHORT:
            self._shorten(tid, now, self._target)
        elif self._target.name in DONE_ALL_THE_SAME:
            self._at_exit[tid] = self._override
            ptrace.go_on(tid, until_exit=True)
        else:
            now.orig_rax, now.rax = NO_CALL, unsigned(-self._fault.number)
            ptrace.set_registers(tid, now)
            ptrace.go_on(tid)

    def _override(self, tid: int, then: ptrace.Registers) -> None:
        assert self._fault is not None
        then.rax = unsigned(-self._fault.number)
        ptrace.set_registers(tid, then)

    def _shorten(self, tid: int, now: ptrace.Registers, call: Call) -> None:
        """Ask the kernel for half of what came of this call when nothing went wrong."""
        half = call.result // 2
        if "v" not in call.name or call.name == "copy_file_range":
            setattr(now, LENGTHS.get(call.name, "rdx"), half)
            ptrace.set_registers(tid, now)
            ptrace.go_on(tid)
            return
        # a vector: cut it in the slice that reaches the half, and mend it after the call, as the caller goes on with it
        cut, length, kept = cut_of(lengths_of(tid, now), half)
        address = now.rsi + 16 * cut + 8
        ptrace.poke(tid, address, kept)
        count, now.rdx = now.rdx, cut + 1
        ptrace.set_registers(tid, now)

        def after(tid: int, then: ptrace.Registers) -> None:
            ptrace.poke(tid, address, length)
            then.rdx = count
            ptrace.set_registers(tid, then)

        self._at_exit[tid] = after
        ptrace.go_on(tid, until_exit=True)

    def _reap(self) -> None:
        """Wait for whatever of the child is left."""
        while True:
            try:
                _, status = os.waitpid(-self._child, WALL)
            except ChildProcessError:
                return
            if self._outcome.code is None and (os.WIFEXITED(status) or os.WIFSIGNALED(status)):
                self._outcome.code = os.waitstatus_to_exitcode(status)


def child(ready: Callable[[], None], work: Work, number: int | None) -> None:
    """The child's whole life."""
    code = CRASHED
    try:
        # whoever of the two is first
        os.setpgid(0, 0)
        ready()
        ptrace.stop_to_be_traced()
        ptrace.stop_at(number)
        code = work()
    except BaseException:  # noqa: BLE001 - whatever it is, the child must not go on as its parent
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)


def arguments(now: ptrace.Registers) -> tuple[int, ...]:
    """The arguments of the call that a thread is about to make."""
    return (now.rdi, now.rsi, now.rdx, now.r10, now.r8, now.r9)


def lengths_of(tid: int, now: ptrace.Registers) -> list[int]:
    """How long the slices of a vectored call are."""
    return [ptrace.peek(tid, now.rsi + 16 * index + 8) for index in range(now.rdx)]


def cut_of(lengths: list[int], half: int) -> tuple[int, int, int]:
    """Which slice reaches `half`, how long it is, and how much of it is wanted."""
    before = 0
    for index, length in enumerate(lengths):
        if before + length >= half:
            return index, length, half - before
        before += length
    raise ValueError("the vector holds less than came of it")


def signed(word: int) -> int:
    """A register as the kernel means it."""
    return word - 2**64 if word >> 63 else word


def unsigned(value: int) -> int:
    """The same in the other direction."""
    return value % 2**64


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TimeoutError after so long."""

    def ring(_signal: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    start = time.monotonic()
    before = signal.signal(signal.SIGALRM, ring)
    others, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        if others:
            # whoever set the alarm first still wants it
            signal.setitimer(signal.ITIMER_REAL, max(0.001, others - (time.monotonic() - start)))


WALL = 0x40000000
NO_CALL = unsigned(-1)
LENGTHS = {"getrandom": "rsi", "copy_file_range": "r8", "sendfile": "r10"}
CRASHED = 99
