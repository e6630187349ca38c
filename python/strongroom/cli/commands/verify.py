"""`strongroom verify`."""

from __future__ import annotations

from contextlib import nullcontext

import click

from strongroom.cli import options, transfer
from strongroom.cli.report import Report
from strongroom.cli.words import shown


@click.command("verify")
@click.argument("path", type=click.Path())
@options.context_option
@options.why_options
@options.job_options
@options.json_option
@options.unlock_options
@click.pass_obj
def command(
    report: Report,
    *,
    path: str,
    context: dict[str, str],
    why: options.Why,
    job: options.Job,
    unlock: options.Unlock,
) -> None:
    """Authenticate a file or a directory, write nothing.

    Every byte is read and decrypted in memory. Of a directory, files that are missing, extra, swapped or replaced by an
    older encryption are named.
    """
    report.subject = shown(path)
    transfer.perform(
        nullcontext(
            lambda room, control: room.verify(path, context=context or None, reason=why.reason, control=control)
        ),
        ("verify", "verified"),
        report,
        unlock=unlock,
        why=why,
        job=job,
    )
