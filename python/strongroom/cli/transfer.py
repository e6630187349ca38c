"""What encrypt, decrypt and verify have in common: refusals first, then the room, the job, and what is said of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

import click

from strongroom.cli import jobs, options, results, targets
from strongroom.cli.progress import shown_progress
from strongroom.cli.report import Report
from strongroom.cli.targets import Kind
from strongroom.cli.words import shown

if TYPE_CHECKING:
    from strongroom import Control
    from strongroom.client.results import FileResult, TreeResult
    from strongroom.client.room import Room

    Work = Callable[[Room, Control], FileResult | TreeResult]


def prepare(
    report: Report, source: str, target: str, unlock: options.Unlock, selection: options.Selection, *, force: bool
) -> Kind:
    """Find the kind of job, after refusing what can be refused without a room."""
    report.data_on_stdout = target == targets.STDIO
    report.subject = subject_of(source, unlock)
    kind = targets.kind_of(source, target)
    if kind is not Kind.TREE:
        refuse_tree_options(include=selection.include, exclude=selection.exclude, resume=selection.resume)
    targets.refuse_existing(target, unless=force or selection.resume)
    return kind


def subject_of(source: str, unlock: options.Unlock) -> str:
    """What errors are about; refuses a passphrase and data on the same standard input."""
    if source != targets.STDIO:
        return shown(source)
    if unlock.reads_stdin():
        raise click.UsageError("Standard input carries the data; give the passphrase another way.")
    return "standard input"


def refuse_tree_options(**given: object) -> None:
    """Refuse options that mean nothing for a single file or stream."""
    for name, value in given.items():
        if value:
            raise click.UsageError(f"--{name} is for directories.")


def planned(report: Report, operation: str, source: str, target: str) -> None:
    """Say what a job over a single file would do; nothing of it needs a room."""
    plan = f"would {operation} {shown(source)} to {shown(target)}"
    report.result({"operation": operation, "dry_run": True, "files": 1}, [plan])


def perform(
    task: AbstractContextManager[Work],
    verb: tuple[str, str],
    report: Report,
    *,
    unlock: options.Unlock,
    why: options.Why,
    job: options.Job,
    cache: bool = True,
) -> None:
    """Open the room, do `task` in it, say how it went. `verb`: what it does now, what it has done.

    The files of a task are opened and named here, outside the thread of the job: a job that hangs in a read is left
    behind on Ctrl-C, and its unfinished file must go all the same.
    """
    import strongroom

    doing, done = verb
    with unlock.open(why.purpose, cache=cache) as room, task as work:
        control = strongroom.Control(workers=job.workers)
        with shown_progress(doing, wanted=not (job.quiet or job.no_progress or report.json)) as show:
            result = jobs.run(lambda: work(room, control), control, show)
    report.result({"operation": doing} | results.document(result))
    if not job.quiet:
        for line in [*results.skipped(result), results.sentence(done, result)]:
            report.aside(line)
