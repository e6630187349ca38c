"""Kills between the two files of a log that takes the place of a plain trail: at each system call, not at some instant.

The command runs in a child that is forked from a warm interpreter (see `torture.syscalls`). It is watched once, with a look at
the folder before each call; then it is run anew for each call, and killed before the kernel gets to it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from unittest.mock import patch

from strongroom.audit import beginning
from strongroom.audit.pending import write_pending

from torture.crash.carrying import Carry
from torture.crash.killing import End, first, progress
from torture.report import Report
from torture.syscalls import ptrace
from torture.syscalls.commands import Command, traceable
from torture.syscalls.faults import Call, Fault
from torture.syscalls.tracer import disturb, watch


def aim(job: Carry, report: Report, *, everywhere: bool) -> None:
    """Kill the command at each call from the first write of `pending` until the trail is gone, or at every call that it makes."""
    if not ptrace.is_supported():
        report.notes.append(f"{job.name}: not aimed, as the tracer knows the registers of x86-64 only")
        return
    with traceable():
        aimed = Aimed(job)
        calls, between = aimed.watched()
        chosen = calls if everywhere else between
        for done, call in enumerate(chosen, 1):
            complaints = aimed.kill(call)
            report.count(f"{job.name}: killed at a system call")
            where = f"{job.name}, at {call.name} {call.turn} of thread {call.thread}"
            report.found.extend(f"{where}: {complaint}" for complaint in complaints)
            progress(f"{job.name}, at system calls", done, len(chosen))
        report.notes.append(
            f"{job.name}: of the {len(calls)} system calls of the command, {len(between)} come between the first write"
            f" of the new log and the end of the old trail; killed at {len(chosen)}, in {aimed.both} of which both were there"
        )
        report.notes.extend(aimed.notes())
        control(job, report)


class Aimed:
    """The command of a job, killed at one call after the other."""

    def __init__(self, job: Carry) -> None:
        self.both = 0
        self._missed: list[str] = []
        self._job = job
        self._folder = job.place.room / "audit"
        self._command = Command(job.place, job.command)
        for _ in range(2):
            job.prepare(0)
            code = self._command.warm_up()
            if code != 0:
                raise RuntimeError(f"{job.name} does not even work undisturbed: {code}")

    def watched(self) -> tuple[list[Call], list[Call]]:
        """The calls of the command, and those of them before which it was between the two files."""
        stands: list[bool] = []
        self._job.prepare(0)
        outcome = watch(self._command.ready, self._command.work, lambda: stands.append(self._is_between()))
        complaints = list(self._job.judge(End(killed=False, code=outcome.code or 0, stdout="", stderr="")))
        if outcome.code != 0 or complaints:
            raise RuntimeError(f"{self._job.name} does not even work undisturbed: {outcome.code} {complaints}")
        # the call that begins it, and the first behind it
        within = [index for index, stands_between in enumerate(stands) if stands_between]
        return outcome.calls, outcome.calls[within[0] - 1 : within[-1] + 2]

    def kill(self, call: Call) -> list[str]:
        """Run the command up to this call, and say what is wrong with what is left."""
        for _ in range(TRIES):
            self._job.prepare(0)
            outcome = disturb(self._command.ready, self._command.work, call, Fault.SIGKILL)
            if outcome.reached:
                break
        else:
            self._missed.append(f"{call.name} {call.turn} of thread {call.thread}")
        self.both += (self._folder / "pending").exists() and (self._folder / beginning.PLAIN).exists()
        killed = outcome.reached and outcome.code == -9
        return first(
            self._job.judge(End(killed=killed, code=outcome.code or 0, stdout="", stderr=self._command.said()))
        )

    def notes(self) -> Iterator[str]:
        """What was not as it should be in the trying."""
        if self._missed:
            yield f"    not reached in {TRIES} runs, as threads do not always meet: {', '.join(self._missed)}"

    def _is_between(self) -> bool:
        names = {path.name for path in self._folder.iterdir()}
        begun = bool(names & {"pending", ".pending.new"}) or beginning.PLAIN not in names
        return begun and not ("pending" in names and beginning.PLAIN not in names)


def control(job: Carry, report: Report) -> None:
    """One that removes the trail before the log has its entries is found out."""
    with patch("strongroom.audit.log.begin", careless):
        aimed = Aimed(job)
        _, between = aimed.watched()
        found = itertools.chain.from_iterable(aimed.kill(call) for call in between)
        seen = any("does not begin" in line or "does not work" in line for line in found)
    report.controls[f"{job.name}: a trail that goes before the log has come"] = seen


def careless(folder: Path, actor: str) -> None:
    """`begin`, in the wrong order."""
    if (folder / beginning.PLAIN).exists():
        lines: Sequence[bytes] = (folder / beginning.PLAIN).read_bytes().splitlines(keepends=True)
        (folder / beginning.PLAIN).unlink()
        write_pending(folder / "pending", beginning.FIRST_FENCE, 0, beginning.carried(iter(lines), actor))
    else:
        beginning.begin(folder, actor)


# which thread comes to a futex first, and how often, is not the same in every run
TRIES = 5
