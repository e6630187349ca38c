"""`strongroom keys due`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.commands.keys.words import due_as_json, due_lines
from strongroom.cli.periods import Period
from strongroom.cli.words import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.cli.report import Report
    from strongroom.keyservice import DueTask


@click.command("due")
@click.option(
    "--within", type=Period(), default="30d", show_default=True, metavar="PERIOD", help="How far to look ahead."
)
@click.option("--apply", is_flag=True, help="Rotate and destroy what is due now, as a scheduler does.")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def due_keys(report: Report, *, within: int, apply: bool, why: options.Why, unlock: options.Unlock) -> None:
    """List what is due: rotations, activations, destructions, ends of periods.

    Versions are activated and deactivated by themselves. A version is destroyed only if the census still allows it.
    """
    with unlock.open(why.purpose) as room:
        if apply:
            say_done(report, room.keys.do_due(reason=why.reason))
            return
        tasks = room.keys.due(within=timedelta(seconds=within))
    if tasks:
        report.result({"due": [due_as_json(task) for task in tasks]}, due_lines(tasks, datetime.now(UTC)))
    else:
        report.result({"due": []})
        report.aside("nothing is due")


def say_done(report: Report, tasks: Sequence[DueTask]) -> None:
    """Report what a scheduler has done."""
    lines = [f"{DONE[str(task.task)]} key {task.key_id} version {task.version}: {task.why}" for task in tasks]
    report.result({"done": [due_as_json(task) for task in tasks]}, lines)
    report.aside(f"{count(len(tasks), 'task')} done" if tasks else "nothing was due")


DONE = {"rotate": "rotated", "destroy": "destroyed"}
