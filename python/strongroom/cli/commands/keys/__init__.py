"""`strongroom keys`: keys and the lifecycle of their versions."""

from __future__ import annotations

import click

from strongroom.cli.commands.keys import calendar, moves, registry


@click.group("keys")
def command() -> None:
    """Create, rotate, suspend, destroy and list keys."""


for subcommand in (
    registry.list_keys,
    registry.show_key,
    registry.create_key,
    registry.set_key,
    moves.activate_key,
    moves.rotate_key,
    moves.suspend_key,
    moves.resume_key,
    moves.deactivate_key,
    moves.compromise_key,
    moves.destroy_key,
    moves.restore_key,
    calendar.due_keys,
):
    command.add_command(subcommand)
