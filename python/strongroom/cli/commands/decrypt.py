"""`strongroom decrypt`."""

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


@click.command("decrypt")
@click.argument("source", metavar="SRC", type=click.Path())
@click.argument("target", metavar="DST", type=click.Path())
@options.context_option
@click.option("--only", metavar="PATH", type=click.Path(), help="Directories: this one file of it, to DST.")
@options.selection_options
@options.force_option
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
    context: dict[str, str],
    only: str | None,
    selection: options.Selection,
    force: bool,
    cache: bool,
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
    how: dict[str, Any] = {"context": context or None, "reason": why.reason}

    @contextmanager
    def task() -> Iterator[Work]:
        if kind is Kind.FILE:
            yield lambda room, control: room.decrypt_file(source, target, force=force, control=control, **how)
        elif kind is Kind.TREE:
            tree = dataclasses.asdict(selection) | {"only": only, "force": force}
            yield lambda room, control: room.decrypt_tree(source, target, control=control, **tree, **how)
        else:
            with targets.reading(source) as reader, targets.writing(target, force=force) as writer:
                yield lambda room, control: room.decrypt_stream(reader, writer, control=control, **how)

    transfer.perform(task(), ("decrypt", "decrypted"), report, unlock=unlock, why=why, job=job, cache=cache)
