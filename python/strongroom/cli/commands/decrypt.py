"""`strongroom decrypt`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from strongroom.cli import options, targets, transfer
from strongroom.cli.report import Report
from strongroom.cli.targets import Kind

if TYPE_CHECKING:
    from strongroom import Control
    from strongroom.client import FileResult, Room, TreeResult


@click.command("decrypt")
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("target", metavar="DST", type=click.Path())
@options.context_option
@click.option("--only", metavar="PATH", type=click.Path(), help="Directories: this one file of it, to DST.")
@options.selection_options
@options.force_option
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
    context: dict[str, str],
    only: str | None,
    selection: options.Selection,
    force: bool,
    why: options.Why,
    job: options.Job,
    unlock: options.Unlock,
) -> None:
    """Decrypt a file, a directory or a stream.

    DST names the result itself. `-` is standard input or output: what comes out before an error is authentic, and the
    exit code says that it is not whole. A file gets its name when all of it is authenticated and on the disk.
    A context given with -c must match the message's.
    """
    kind = transfer.prepare(report, source, target, unlock, selection, force=force)
    if kind is not Kind.TREE:
        transfer.refuse_tree_options(only=only)

    def work(room: Room, control: Control) -> FileResult | TreeResult:
        how: dict[str, Any] = {"context": context or None, "reason": why.reason, "control": control}
        if kind is Kind.FILE:
            return room.decrypt_file(source, target, force=force, **how)
        if kind is Kind.TREE:
            how |= {"include": selection.include, "exclude": selection.exclude, "resume": selection.resume}
            return room.decrypt_tree(source, target, only=only, **how)
        with targets.reading(source) as reader, targets.writing(target, force=force) as writer:
            return room.decrypt_stream(reader, writer, **how)

    transfer.perform(work, ("decrypt", "decrypted"), report, unlock=unlock, why=why, job=job)
