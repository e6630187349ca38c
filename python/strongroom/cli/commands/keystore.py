"""`strongroom keystore`: check, stats, move, upgrade."""

from __future__ import annotations

import click

from strongroom.cli import options
from strongroom.cli.report import Report, table
from strongroom.cli.words import shown


@click.group("keystore")
def command() -> None:
    """Check, count, move or upgrade the keystore."""


@command.command("check")
@options.json_option
@options.unlock_options
@click.pass_obj
def check(report: Report, unlock: options.Unlock) -> None:
    """Verify everything in the keystore.

    Every row and the set of them, every history, counter and wrapped key, and that the keystore is not older than this host
    knows it. All that is wrong is named, and the exit code is 20.
    """
    from strongroom.errors import RoomTampered

    found = unlock.upkeep().check()
    if found.wrong:
        for line in found.wrong:
            report.aside(line)
        raise RoomTampered(f"{len(found.wrong)} things are wrong with the keystore: {'; '.join(found.wrong)}")
    report.result(
        {"epoch": found.epoch, "digest": found.digest, "rows": dict(found.rows)},
        [f"the keystore is sound: {sum(found.rows.values())} rows at epoch {found.epoch}"],
    )


@command.command("stats")
@options.json_option
@options.unlock_options
@click.pass_obj
def stats(report: Report, unlock: options.Unlock) -> None:
    """Show how much the keystore holds."""
    found = unlock.upkeep().stats()
    states = [(state.lower().replace("_", "-"), count) for state, count in sorted(found.versions.items())]
    report.result(
        {
            "place": found.place,
            "epoch": found.epoch,
            "digest": found.digest,
            "root_version": found.root_version,
            "classes": found.classes,
            "keys": found.keys,
            "versions": dict(found.versions),
            "wraps": found.wraps,
            "waiting": found.waiting,
        },
        table(
            [
                ("place", found.place),
                ("epoch", found.epoch),
                ("digest", found.digest),
                ("root version", found.root_version),
                ("classes", found.classes),
                ("keys", found.keys),
                *((f"versions {state}", count) for state, count in states),
                ("wraps reserved", found.wraps),
                ("events waiting", found.waiting),
            ]
        ),
    )


@command.command("move")
@click.argument("target", metavar="URL_OR_PATH")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def move(report: Report, target: str, why: options.Why, unlock: options.Unlock) -> None:
    """Move the keystore to PostgreSQL, or back into the room.

    URL_OR_PATH is postgresql://… without a password, or the path of keystore.db in the room. The keystore that is left stays,
    marked; open rooms have to be opened again.
    """
    moved = unlock.upkeep(why.purpose).move(target, reason=why.reason)
    report.result({"source": moved.source, "target": moved.target, "digest": moved.digest})
    report.aside(f"moved the keystore to {shown(moved.target)}")


@command.command("upgrade")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def upgrade(report: Report, why: options.Why, unlock: options.Unlock) -> None:
    """Bring the keystore to the newest format.

    All of it or nothing, and a copy of the old keystore stays in the room.
    """
    done = unlock.upkeep(why.purpose).upgrade(reason=why.reason)
    report.result({"from_format": done.from_format, "to_format": done.to_format, "backup": str(done.backup)})
    report.aside(f"upgraded the keystore to format {done.to_format}; the old one is kept in {shown(done.backup)}")
