"""`strongroom verify`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli import options, targets, transfer
from strongroom.cli.report import Report

if TYPE_CHECKING:
    from strongroom.cli.transfer import Work


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

    `-` is standard input. Every byte is read and decrypted in memory. Of a directory, files that are missing, extra, swapped or replaced by an
    older encryption are named.
    """
    report.subject = transfer.subject_of(path, unlock)
    how: dict[str, Any] = {"context": context or None, "reason": why.reason}

    @contextmanager
    def task() -> Iterator[Work]:
        if path == targets.STDIO:
            yield lambda room, control: room.verify_stream(sys.stdin.fileno(), control=control, **how)
        else:
            yield lambda room, control: room.verify(path, control=control, **how)

    transfer.perform(task(), ("verify", "verified"), report, unlock=unlock, why=why, job=job)
