"""`strongroom backup`: create, verify, restore."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.process import forbid_core_dumps
from strongroom.cli.report import Report
from strongroom.cli.words import count, duration, shown

if TYPE_CHECKING:
    from strongroom.recovery import Backup


@click.group("backup")
def command() -> None:
    """Create, verify and restore backups of the room."""


@command.command("create")
@click.argument("path", metavar="FILE", type=click.Path())
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def create(report: Report, path: str, why: options.Why, unlock: options.Unlock) -> None:
    """Write a backup of the room, encrypted, to a new file.

    It holds the keystore, the sealed root and the root of the audit log, and opens with what opens the room now. Keep it
    apart from that. The audit log itself and your data are not in it.
    """
    from strongroom.recovery import create_backup

    with unlock.open(why.purpose) as room:
        made = create_backup(room, path, reason=why.reason)
    report.result(as_json(made), lines(made))
    report.aside(f"backed up {count(made.keys, 'key')} in {duration(made.seconds)}: {shown(path)}")


@command.command("verify")
@click.argument("path", metavar="FILE", type=click.Path())
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def verify(report: Report, path: str, why: options.Why, unlock: options.Unlock) -> None:
    """Prove that a backup can be restored.

    It is restored into a private directory, every row of it is verified, and every KEK is opened. Nothing of it stays.
    """
    from strongroom.recovery import verify_backup

    forbid_core_dumps()
    done = verify_backup(path, unlock.home, unlock.source(), reason=why.reason)
    report.opened = unlock.home or ""
    document = as_json(done) | {"keks": done.keks, "recorded": done.recorded}
    report.result(document, lines(done))
    report.aside(
        f"verified the backup: it restores, and {count(done.keks, 'key version')} opened, in {duration(done.seconds)}"
    )
    if not done.recorded:
        report.aside("no room at hand took note of it: there is none of this id that opens with what was given")


@command.command("restore")
@click.argument("path", metavar="FILE", type=click.Path())
@click.option("--keystore", metavar="URL", help="Put the keystore into this PostgreSQL database.")
@click.option("--owner", metavar="USER", help="Give the room to this OS user, and record it.")
@click.option("--replace", is_flag=True, help="Put a room that is there aside, under another name.")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def restore(
    report: Report,
    *,
    path: str,
    keystore: str | None,
    owner: str | None,
    replace: bool,
    why: options.Why,
    unlock: options.Unlock,
) -> None:
    """Make a room out of a backup, at --home.

    The room there begins a new audit log, which says where it comes from. Its epoch is above all that this host has seen:
    a copy of the room that still is somewhere on this host is refused from now on.
    """
    from strongroom.home import as_home
    from strongroom.recovery import restore_backup

    forbid_core_dumps()
    made = restore_backup(
        path,
        as_home(unlock.home),
        unlock.source(),
        owner=owner,
        replace=replace,
        keystore=keystore,
        reason=why.reason,
    )
    document = {
        "home": str(made.home),
        "room_epoch": made.room_epoch,
        "owner": made.owner,
        "keks": made.keks,
        "replaced": None if made.replaced is None else str(made.replaced),
    }
    report.result(as_json(made) | document, lines(made))
    report.aside(f"restored the room into {shown(made.home)} in {duration(made.seconds)}")
    report.aside(
        f"its epoch is {made.room_epoch}, raised from {made.epoch}: older copies of it are refused on this host"
    )
    if made.replaced is not None:
        report.aside(f"the room that was there is now {shown(made.replaced)}")


def as_json(backup: Backup) -> dict[str, object]:
    """Turn what is known of a backup into JSON."""
    return {
        "id": backup.id,
        "room_id": backup.room_id,
        "taken": backup.taken,
        "epoch": backup.epoch,
        "state": backup.state,
        "keys": backup.keys,
        "versions": backup.versions,
        "seconds": backup.seconds,
    }


def lines(backup: Backup) -> list[str]:
    """Describe a backup for people, a fact a line."""
    facts = {
        "backup": backup.id,
        "of room": backup.room_id,
        "taken": backup.taken,
        "epoch": backup.epoch,
        "state": backup.state,
        "holds": f"{count(backup.keys, 'key')}, {count(backup.versions, 'version')}",
    }
    return [f"{name:<12}{value}" for name, value in facts.items()]
