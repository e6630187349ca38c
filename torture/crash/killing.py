"""Kill a command at random instants, all over the time that it takes."""

from __future__ import annotations

import itertools
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from torture.report import Report


@dataclass(frozen=True)
class End:
    """How a run of a command ended, and what it had said by then."""

    killed: bool
    code: int
    stdout: str
    stderr: str


class Job(Protocol):
    """A command that is run over and over, and what must be true whenever it was killed."""

    @property
    def name(self) -> str:
        """What it is called in a report."""

    def prepare(self, share: float) -> None:
        """Make work for the next run; `share` of all that there could be."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""

    def judge(self, end: End) -> Iterator[str]:
        """What is wrong, after a run that was killed or ended by itself."""


def bombard(job: Job, kills: int, dice: random.Random, report: Report) -> None:
    """Kill so many runs of a job, and judge what each left. Now and then, and at the end, a run may finish."""
    expected = Expected(job)
    killed = 0
    share = 0.0
    while killed < kills and len(report.found) < ENOUGH:
        # about every other time the same work goes on, over what the killed run left
        if dice.random() < CHANGED:
            share = dice.choice(SHARES)
            job.prepare(share)
        until = dice.uniform(0, expected.seconds(share) * MARGIN) if dice.random() > FINISHED else PATIENCE
        end = run(job, until)
        killed += end.killed
        report.count(f"{job.name}: {'killed' if end.killed else 'finished'}")
        report.found.extend(f"{job.name}, after {until:.3f} s: {complaint}" for complaint in first(job.judge(end)))
        progress(job.name, killed, kills)
    end = run(job, PATIENCE)
    report.count(f"{job.name}: finished")
    report.found.extend(f"{job.name}, at the end: {complaint}" for complaint in first(job.judge(end)))


class Started(Protocol):
    """What can be run and killed."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""


def run(job: Started, until: float) -> End:
    """Run a job's command, and kill it with SIGKILL after so many seconds unless it has ended by then."""
    process = job.start()
    try:
        stdout, stderr = process.communicate(timeout=until)
    except subprocess.TimeoutExpired:
        process.kill()
        stdout, stderr = process.communicate()
    killed = process.returncode < 0
    return End(killed, process.returncode, stdout, stderr)


class Expected:
    """How long a job takes, from runs that were let finish: with nothing to do, and with everything."""

    def __init__(self, job: Job) -> None:
        self._least = statistics.median(self._measured(job, 0.0) for _ in range(SAMPLES))
        self._most = statistics.median(self._measured(job, 1.0) for _ in range(SAMPLES))

    def seconds(self, share: float) -> float:
        """For this share of the work."""
        return self._least + share * max(0.0, self._most - self._least)

    def _measured(self, job: Job, share: float) -> float:
        job.prepare(share)
        start = time.monotonic()
        end = run(job, PATIENCE)
        seconds = time.monotonic() - start
        complaints = list(job.judge(end))
        if end.killed or complaints:
            raise RuntimeError(f"{job.name} does not even work undisturbed: {end} {complaints}")
        return seconds


def first(complaints: Iterator[str]) -> list[str]:
    """As many as anybody reads: what breaks one file of a tree often breaks them all."""
    return list(itertools.islice(complaints, SHOWN))


def progress(name: str, done: int, of: int) -> None:
    """Say how far it is, where somebody looks or it takes long."""
    if done % 25 == 0 and of >= 50:
        print(f"{name}: {done} of {of}", file=sys.stderr, flush=True)


CHANGED = 0.5
SHARES = (0.01, 0.1, 0.3, 1.0)
# a kill may also fall while the interpreter goes down
MARGIN = 1.05
FINISHED = 0.05
PATIENCE = 120.0
SAMPLES = 2
ENOUGH = 20
SHOWN = 5
