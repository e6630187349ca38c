"""Every system call of every command goes wrong in every way: a clear error, and outputs whole or absent.

Each command runs in a child that is forked from an interpreter in which it ran before. So the calls are those of the command
itself: starting and ending Python, and importing modules, is left out. It is watched once; then, in one child for each,
every call is made to fail with each fault that the kernel could give for it (`faults.py` says which), or is the last.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.errors import StrongroomError

from torture.place import Place, new_place
from torture.report import Report
from torture.syscalls import ptrace
from torture.syscalls.commands import Command, traceable
from torture.syscalls.controls import SEEN, Careless
from torture.syscalls.faults import Call, Fault, faults_of
from torture.syscalls.tracer import PATIENCE, Outcome, disturb, watch
from torture.syscalls.workflows import WORKFLOWS, EncryptFile, Workflow, furnish

PROMISE = "whatever fails, there is a clear error or a right result, and outputs are whole or absent"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: a sample takes seconds, all points some tens of minutes."""
    names = [workflow.name for workflow in WORKFLOWS]
    parser.add_argument("--points", type=int, default=40, metavar="N", help="of each command (default: %(default)s)")
    parser.add_argument("--all", action="store_true", help="every point of each command")
    parser.add_argument("--workflows", nargs="+", choices=names, default=names, metavar="NAME", help="default: all")
    parser.add_argument("--seed", type=int, default=None, help="of the sample (default: a new one)")
    parser.add_argument("--dir", type=Path, default=memory(), help="where to work (default: %(default)s)")


def run(options: argparse.Namespace) -> Report:
    """Disturb each command as often as asked for."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("syscalls", PROMISE, notes=[f"--seed {seed}"])
    if not ptrace.is_supported():
        report.notes.append("not run: the tracer knows the registers of x86-64 only")
        return report
    with laboratory(options.dir) as (template, place), template.open() as room:
        for kind in WORKFLOWS:
            if kind.name in options.workflows:
                bench = Bench(kind(room), template, place, report)
                bench.run(random.Random(f"{seed} {kind.name}"), None if options.all else options.points)
        control(EncryptFile(room), template, place, report)
    return report


def control(workflow: Workflow, template: Place, place: Place, report: Report) -> None:
    """Every fault must show what is wrong with a careless command."""
    scratch = Report("control", PROMISE)
    Bench(workflow, template, place, scratch, Careless(place), patience=0.5).run(random.Random(), None)
    for fault, words in SEEN.items():
        seen = any(line.startswith(f"{workflow.name}: {fault} ") and words in line for line in scratch.found)
        report.controls[f"{fault} in a careless command: {words}"] = seen


def memory() -> Path | None:
    """A file system in memory, if there is one: each point works on a copy of a room and its files."""
    place = Path("/dev/shm")
    return place if os.access(place, os.W_OK) else None


@contextmanager
def laboratory(parent: Path | None) -> Iterator[tuple[Place, Place]]:
    """A furnished place, and where its copies go: always the same name, so that messages are the same."""
    with new_place(parent, with_room=False) as outer:
        template, place = Place(outer.folder / "template"), Place(outer.folder / "work")
        with new_place(outer.folder) as first:
            furnish(first)
            shutil.copytree(first.folder, template.folder, symlinks=True)
        os.environ["STRONGROOM_STATE"] = str(place.state)
        with traceable():
            fresh(template, place)
            yield template, place


def fresh(template: Place, place: Place) -> None:
    """A new copy of the furnished place."""
    shutil.rmtree(place.folder, ignore_errors=True)
    shutil.copytree(template.folder, place.folder, symlinks=True)


class Bench:
    """One command, disturbed over and over."""

    def __init__(
        self,
        workflow: Workflow,
        template: Place,
        place: Place,
        report: Report,
        command: Command | None = None,
        patience: float = PATIENCE,
    ) -> None:
        self._patience = patience
        self._workflow = workflow
        self._template = template
        self._place = place
        self._report = report
        self._command = command or Command(place, workflow.arguments(place))
        self._missed: list[str] = []
        self._codes: Counter[tuple[Fault, str]] = Counter()

    def run(self, dice: random.Random, points: int | None) -> None:
        """Watch the command, then let it fail at all points or at some."""
        self._warm_up()
        calls = self._watched()
        all_points = [(call, fault) for call in calls for fault in faults_of(call)]
        chosen = all_points if points is None else dice.sample(all_points, min(points, len(all_points)))
        for done, (call, fault) in enumerate(chosen):
            self._try(call, fault)
            if done % 500 == 499:
                print(f"{self._workflow.name}: {done + 1} of {len(chosen)}", file=sys.stderr, flush=True)
        self._report.notes.append(
            f"{self._workflow.name}: {len(calls)} calls, {len(all_points)} points, {len(chosen)} tried"
        )
        self._report.notes.extend(self._endings())

    def _warm_up(self) -> None:
        for _ in range(2):
            fresh(self._template, self._place)
            code = self._command.warm_up()
            if code != 0:
                raise RuntimeError(f"{self._workflow.name} does not even work undisturbed: {code}")

    def _watched(self) -> list[Call]:
        fresh(self._template, self._place)
        outcome = watch(self._command.ready, self._command.work)
        wrong = list(self._judge(outcome, None, None))
        if wrong or outcome.code != 0:
            raise RuntimeError(f"{self._workflow.name} does not even work undisturbed: {wrong}")
        return outcome.calls

    def _try(self, call: Call, fault: Fault) -> None:
        for _ in range(TRIES):
            fresh(self._template, self._place)
            outcome = disturb(self._command.ready, self._command.work, call, fault, self._patience)
            if outcome.reached:
                break
        self._codes[fault, ending(outcome)] += 1
        if not outcome.reached:
            self._missed.append(f"{call.name} {call.turn}")
            return
        self._report.count(f"× {fault.value}")
        where = f"{self._workflow.name}: {fault.value} at {call.name} {call.turn} of thread {call.thread}"
        self._report.found.extend(f"{where}: {complaint}" for complaint in self._judge(outcome, call, fault))

    def _judge(self, outcome: Outcome, call: Call | None, fault: Fault | None) -> Iterator[str]:
        killed = fault is Fault.SIGKILL and outcome.reached
        if not killed:
            yield from unclear(outcome, self._command.said() + self._command.printed(), call)
        yield from self._workflow.strange(self._place, killed=killed)
        yield from self._workflow.half(self._place)
        if outcome.code == 0:
            yield from self._workflow.missing(self._place, self._command.printed())
        elif outcome.code is not None:
            yield from self._does_not_go_on()

    def _does_not_go_on(self) -> Iterator[str]:
        try:
            self._workflow.go_on(self._place)
            if self._place.room.exists():
                # whoever opens the room next seals what was not, and takes away what is left of the attempt
                self._place.open().close()
        except (StrongroomError, OSError) as error:
            yield f"a second run fails: {error!r}"
            return
        yield from self._workflow.half(self._place)
        for complaint in self._workflow.strange(self._place, killed=False):
            yield f"after a second run, {complaint}"

    def _endings(self) -> Iterator[str]:
        for fault in Fault:
            ends = {end: count for (of, end), count in sorted(self._codes.items(), key=str) if of is fault}
            if ends:
                counted = ", ".join(f"{end} ×{count}" for end, count in ends.items())
                yield f"    {fault.value}: {sum(ends.values())} points: {counted}"
        if self._missed:
            yield f"    not reached in {TRIES} runs, as threads do not always meet: {', '.join(self._missed)}"


def ending(outcome: Outcome) -> str:
    """How it ended, for counting."""
    if not outcome.reached:
        return "not reached"
    return "hung" if outcome.hung else "killed" if outcome.code == -9 else f"exit {outcome.code}"


def unclear(outcome: Outcome, said: str, call: Call | None) -> Iterator[str]:
    """What is wrong with how a command ended and what it said."""
    if outcome.hung:
        yield "it hangs"
    if outcome.code not in CLEAR_CODES and not is_clear_all_the_same(outcome, said, call):
        yield f"exit code {outcome.code}: {said.strip()[-300:]}"
    if "Traceback" in said or "this is a bug" in said:
        yield f"no clear error: {said.strip()[-300:]}"
    is_mute = call is not None and call.name == "write" and call.arguments[0] in {1, 2}
    if outcome.code != 0 and not any(word in said for word in SENTENCES) and not is_mute:
        yield f"exit code {outcome.code} without a word: {said!r}"


def is_clear_all_the_same(outcome: Outcome, said: str, call: Call | None) -> bool:
    """The parser looks whether a path can be read; and who cannot be told by name is not the owner by name."""
    is_usage = outcome.code == 2 and call is not None and call.name == "access"
    return is_usage or (outcome.code == 13 and "and uid:" in said)


# of a person, of a program that asked for --json, of the parser
SENTENCES = ("strongroom: ", '{"error"', "Error: Invalid value")
# done, error, some of several failed, backend unavailable, interrupted: a fault of the machine is no verdict on data or keys
CLEAR_CODES = {0, 1, 3, 30, 130}
# which thread comes to a futex first, and how often, is not the same in every run
TRIES = 5
