"""Keystores on SQLite and PostgreSQL: edited behind their back, raced for, killed, moved, upgraded, and cut off.

Rows are edited, deleted, swapped and inserted, and an older database is put back. Two processes rotate one key at the same
instant. Rotations, moves and upgrades are killed at random instants. A server is stopped, paused, killed and left without disk
space under a command that needs it.
"""

from __future__ import annotations

import argparse
import random
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from torture.keystore.edits import control_edits, edit_rows
from torture.keystore.jobs import MoveJob, RotateJob, UpgradeJob, bombard, control_jobs
from torture.keystore.outages import cut_off
from torture.keystore.races import control_race, race
from torture.keystore.stands import Stand, new_stand
from torture.postgres import Server, new_server
from torture.report import Report

PROMISE = "whatever is changed in a keystore is named, one of two rotations wins, and no crash or outage loses anything"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the defaults take some minutes."""
    parser.add_argument("--edits", type=int, default=60, metavar="N", help="of each database (default: %(default)s)")
    parser.add_argument("--races", type=int, default=20, metavar="N", help="on each database (default: %(default)s)")
    parser.add_argument("--kills", type=int, default=5, metavar="N", help="of each job (default: %(default)s)")
    parser.add_argument("--outages", type=int, default=1, metavar="N", help="of each kind (default: %(default)s)")
    parser.add_argument("--parts", nargs="+", choices=sorted(PARTS), default=sorted(PARTS), help="default: all")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """Every part that was asked for, on both databases."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("keystore", PROMISE, notes=[f"--seed {seed}"])
    with new_server() as server:
        for part in options.parts:
            PARTS[part](Task(options, server, random.Random(f"{seed} {part}"), report))
    return report


@dataclass(frozen=True)
class Task:
    """What every part is given."""

    options: argparse.Namespace
    server: Server
    dice: random.Random
    report: Report

    def stands(self) -> Iterator[AbstractContextManager[Stand]]:
        """A stand on each database."""
        for database in ("sqlite", "postgres"):
            yield new_stand(self.options.dir, self.server, database=database)


def edited(task: Task) -> None:
    """Rows that somebody changes."""
    for stand in task.stands():
        with stand as made:
            edit_rows(made, task.options.edits, task.dice, task.report)
            control_edits(made, task.dice, task.report)


def raced(task: Task) -> None:
    """Two processes that rotate at once."""
    for stand in task.stands():
        with stand as made:
            race(made, task.options.races, task.report)
            control_race(made, task.report)


def killed(task: Task) -> None:
    """Rotations and moves on each database, and upgrades, which are of files only."""
    options, report = task.options, task.report
    for kind in (RotateJob, MoveJob):
        for stand in task.stands():
            with stand as made:
                job = kind(made)
                bombard(job, options.kills, task.dice, report)
                report.notes.append(f"{job.name}: {job.midway} of the kills fell into the change itself")
                control_jobs(job, report)
    with new_stand(options.dir, task.server, database="sqlite") as made:
        upgrade = UpgradeJob(made)
        bombard(upgrade, options.kills, task.dice, report)
        report.notes.append(f"{upgrade.name}: {upgrade.midway} of the kills fell before the commit")


def outaged(task: Task) -> None:
    """A server that goes away."""
    for _ in range(task.options.outages):
        cut_off(task.options.dir, task.dice, task.report)


PARTS = {"edits": edited, "races": raced, "kills": killed, "outages": outaged}
