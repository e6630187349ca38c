"""`strongroom doctor`."""

from __future__ import annotations

import dataclasses
import os

import click

from strongroom.cli import machine, options
from strongroom.cli.machine import Check
from strongroom.cli.report import Report


@click.command("doctor")
@options.json_option
@options.unlock_options
@click.pass_context
def command(ctx: click.Context, unlock: options.Unlock) -> None:
    """Find what is wrong on this machine.

    Opens no room, and reads no secret but the PINs of tokens, which are asked for its root; that is wiped at once. The
    exit code is 1 if a check fails; warnings leave it at 0.
    """
    report = ctx.find_object(Report) or Report()
    checks = examine(unlock)
    report.result(
        {"checks": [dataclasses.asdict(check) for check in checks]}, [line for c in checks for line in lines(c)]
    )
    if any(check.verdict == machine.FAIL for check in checks):
        ctx.exit(1)


def examine(unlock: options.Unlock) -> list[Check]:
    """All checks, what matters most first."""
    from strongroom.crypto import DataKey, memory_status

    room = machine.room_of(unlock.home)
    given = {
        "--key-file": unlock.key_file,
        "--passphrase-file": unlock.passphrase_file,
        "--recovery-file": unlock.recovery_file,
    }
    _probe = DataKey.generate()  # held while memory is looked at: without a key nothing would be locked
    return [
        machine.permissions(room),
        machine.unlock_source(given, os.environ, room),
        machine.backup(room),
        machine.locked_memory(memory_status()),
        machine.swap(),
        machine.core_dumps(),
        machine.clock(room),
        machine.processor(),
        machine.huge_pages(),
        machine.sqlite(),
        *machine.tokens_answer(room),
        *machine.log_leaves(room),
    ]


def lines(check: Check) -> list[str]:
    """Print a check as a line, and its fix below it."""
    head = f"{check.verdict:<5} {check.name:<15} {check.sentence}"
    return [head, f"{'':<22}{check.fix}"] if check.fix else [head]
