"""`strongroom root`: show, rotate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.commands.unlock import as_json, kind
from strongroom.cli.kit import can_show_words, show_words
from strongroom.cli.report import Report, table
from strongroom.cli.words import count

if TYPE_CHECKING:
    from strongroom.home import NewWay
    from strongroom.home import Unlock as Source
    from strongroom.model import RootInfo


@dataclass(frozen=True, slots=True)
class Ways:
    """How the next root opens, beside what opened the room. Secrets are named here, never held."""

    also_key_file: tuple[str, ...]
    also_passphrase_file: tuple[str, ...]
    make_key_file: str | None
    make_recovery_file: str | None
    show_recovery: bool
    quorum: tuple[int, int] | None
    share_directory: str | None
    drop: tuple[str, ...]

    def sources(self) -> list[Source]:
        """The further secrets that are given."""
        from strongroom.home import Unlock

        return [
            *(Unlock(key_file=path) for path in self.also_key_file),
            *(Unlock(passphrase_file=path) for path in self.also_passphrase_file),
        ]

    def new(self) -> list[NewWay]:
        """The ways that are to be made."""
        from strongroom.home import NewWay

        made = []
        if self.make_key_file:
            made.append(NewWay(make_key_file=self.make_key_file))
        if self.make_recovery_file:
            made.append(NewWay(make_recovery_file=self.make_recovery_file))
        if self.show_recovery:
            made.append(NewWay(recovery=True))
        if self.quorum or self.share_directory:
            made.append(NewWay(quorum=self.quorum, share_directory=self.share_directory))
        return made


ways_options = options.gathered(
    "ways",
    Ways,
    [
        click.option(
            "--also-key-file", type=click.Path(), multiple=True, metavar="PATH", help="Another key file; repeatable."
        ),
        click.option(
            "--also-passphrase-file",
            type=click.Path(),
            multiple=True,
            metavar="PATH",
            help="Another passphrase, in this file; repeatable.",
        ),
        options.path_option("--make-key-file", "Make a new key file."),
        options.path_option("--make-recovery-file", "Make a new recovery kit and write it here."),
        click.option("--show-recovery", is_flag=True, help="Make a new recovery kit and show its 24 words."),
        *options.QUORUM,
        click.option("--drop", multiple=True, metavar="ID", help="End this way into the room; repeatable."),
    ],
)


@click.group("root")
def command() -> None:
    """Show and rotate the root key."""


@command.command("show")
@options.json_option
@options.unlock_options
@click.pass_obj
def show_root(report: Report, unlock: options.Unlock) -> None:
    """Show the version of the root key, and what opens it."""
    with unlock.open() as room:
        info = room.root.show()
    say(report, info)


@command.command("rotate")
@ways_options
@click.option("--force", is_flag=True, help="Also if no recovery kit is left.")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def rotate_root(report: Report, ways: Ways, force: bool, why: options.Why, unlock: options.Unlock) -> None:
    """Make a new root key and put every KEK under it.

    Data is not touched. Give the secret of every way into the room that is to stay, or end it with --drop; a new recovery
    kit or quorum takes the place of the old one. Older copies of the room still open with older secrets.
    """
    if ways.show_recovery and not can_show_words(report):
        raise click.UsageError("--show-recovery wants a terminal; --make-recovery-file PATH writes the kit.")
    with unlock.open(why.purpose) as room:
        info, kits = room.root.rotate(
            also=ways.sources(), new=ways.new(), drop=ways.drop, force=force, reason=why.reason
        )
    say(report, info)
    report.aside(f"rotated the root: version {info.version} has wrapped {count(info.keks, 'key version')}")
    for kit in kits:
        show_words(report, kit)


def say(report: Report, info: RootInfo) -> None:
    """Print a root."""
    document = {"version": info.version, "keks": info.keks, "ways": [as_json(way) for way in info.ways]}
    rows = [(way.id, kind(way), way.label or "") for way in info.ways]
    lines = [f"version     {info.version}", f"wraps       {count(info.keks, 'key version')}", ""]
    report.result({"root": document}, [*lines, *table([("ID", "KIND", "LABEL"), *rows])])
