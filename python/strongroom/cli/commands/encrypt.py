"""`strongroom encrypt`."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli import options, targets, transfer
from strongroom.cli.report import Report
from strongroom.cli.targets import Kind

if TYPE_CHECKING:
    from strongroom.cli.transfer import Work


@click.command("encrypt")
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("target", metavar="DST", type=click.Path())
@click.option("--class", "data_class", default="default", show_default=True, metavar="NAME", help="The data class.")
@options.context_option
@options.selection_options
@options.force_option
@options.dry_run_option
@options.cache_option
@options.why_options
@options.job_options
@options.json_option
@options.unlock_options
@click.pass_obj
def command(
    report: Report,
    *,
    source: str,
    target: str,
    data_class: str,
    context: dict[str, str],
    selection: options.Selection,
    force: bool,
    dry_run: bool,
    cache: bool,
    why: options.Why,
    job: options.Job,
    unlock: options.Unlock,
) -> None:
    """Encrypt a file, a directory or a stream.

    DST names the result itself. A directory becomes a directory of messages, a file each. `-` is standard input or
    output. DST gets its name when all of it is on the disk. The context is authenticated and stored in the clear.
    """
    kind = transfer.prepare(report, source, target, unlock, selection, force=force)
    targets.refuse_terminal(target)
    if dry_run and kind is not Kind.TREE:
        transfer.planned(report, "encrypt", source, target)
        return

    how: dict[str, Any] = {"data_class": data_class, "context": context, "reason": why.reason}

    @contextmanager
    def task() -> Iterator[Work]:
        if kind is Kind.FILE:
            yield lambda room, control: room.encrypt_file(source, target, force=force, control=control, **how)
        elif kind is Kind.TREE:
            tree = dataclasses.asdict(selection) | {"force": force, "dry_run": dry_run}
            yield lambda room, control: room.encrypt_tree(source, target, control=control, **tree, **how)
        else:
            with targets.reading(source) as reader, targets.writing(target, force=force) as writer:
                yield lambda room, control: room.encrypt_stream(reader, writer, control=control, **how)

    transfer.perform(
        task(),
        ("encrypt", "would encrypt" if dry_run else "encrypted"),
        report,
        unlock=unlock,
        why=why,
        job=job,
        cache=cache,
    )
