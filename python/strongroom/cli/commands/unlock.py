"""`strongroom unlock`: list, add, change, remove."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.kit import can_show_words, show_words
from strongroom.cli.report import Report, table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.home import NewWay
    from strongroom.model import Way


@dataclass(frozen=True, slots=True)
class New:
    """What the new way is to be. Secrets are named here, never held."""

    new_passphrase_file: str | None
    new_passphrase_fd: int | None
    new_passphrase_command: str | None
    new_key_file: str | None
    make_key_file: str | None
    make_recovery_file: str | None
    show_recovery: bool
    quorum: tuple[int, int] | None
    share_directory: str | None
    new_token: str | None
    existing: bool
    label: str

    def way(self) -> NewWay:
        """The new way. Asks for a passphrase on a terminal."""
        from strongroom.home import NewWay

        asks = sys.stdin.isatty()
        return NewWay(
            passphrase_file=self.new_passphrase_file,
            passphrase_fd=self.new_passphrase_fd,
            passphrase_command=self.new_passphrase_command,
            key_file=self.new_key_file,
            make_key_file=self.make_key_file,
            make_recovery_file=self.make_recovery_file,
            recovery=self.show_recovery or None,
            quorum=self.quorum,
            share_directory=self.share_directory,
            token=self.new_token,
            existing=self.existing,
            prompt="New passphrase: " if asks else None,
            confirm="The same again: " if asks else None,
            label=self.label,
        )

    def check(self, report: Report) -> None:
        """Refuse to show a kit to nobody."""
        if self.show_recovery and not can_show_words(report):
            raise click.UsageError("--show-recovery wants a terminal; --make-recovery-file PATH writes the kit.")


new_options = options.gathered(
    "new",
    New,
    [
        options.path_option("--new-passphrase-file", "A passphrase, read from this file."),
        click.option("--new-passphrase-fd", type=click.IntRange(0), metavar="N", help="Or from this descriptor."),
        click.option("--new-passphrase-command", metavar="COMMAND", help="Or from what this command prints."),
        options.path_option("--new-key-file", "A key file that is there."),
        options.path_option("--make-key-file", "A new key file, written here."),
        options.path_option("--make-recovery-file", "A new recovery kit, written here."),
        click.option("--show-recovery", is_flag=True, help="A new recovery kit, shown as 24 words on the terminal."),
        *options.QUORUM,
        click.option("--new-token", metavar="URI", help="A new key in this PKCS#11 token."),
        options.EXISTING,
        click.option("--label", default="", metavar="TEXT", help="A remark for the list, in the clear."),
    ],
)
force_option = click.option("--force", is_flag=True, help="Also if no recovery kit is left.")


@click.group("unlock")
def command() -> None:
    """List, add, change and remove what opens the room."""


@command.command("list")
@options.json_option
@options.unlock_options
@click.pass_obj
def list_ways(report: Report, unlock: options.Unlock) -> None:
    """List the ways into the room."""
    with unlock.open() as room:
        ways = room.ways.list()
    say(report, ways)


@command.command("add")
@new_options
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def add_way(report: Report, new: New, why: options.Why, unlock: options.Unlock) -> None:
    """Add another passphrase, key file, recovery kit, quorum or token.

    Without an option that says what, it asks for a passphrase on a terminal.
    """
    new.check(report)
    with unlock.open(why.purpose) as room:
        words = room.ways.add(new.way(), reason=why.reason)
        ways = room.ways.list()
    say(report, ways)
    report.aside(f"added {described(ways[-1])}")
    if words:
        show_words(report, words)


@command.command("change")
@click.argument("way", metavar="ID")
@new_options
@force_option
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def change_way(report: Report, way: str, new: New, force: bool, why: options.Why, unlock: options.Unlock) -> None:
    """Put another passphrase, key file, recovery kit, quorum or token in the place of one.

    Whoever has the old secret and an older copy of the room still opens that copy: `root rotate` ends that for keys
    that are made afterwards.
    """
    new.check(report)
    with unlock.open(why.purpose) as room:
        words = room.ways.change(way, new.way(), force=force, reason=why.reason)
        ways = room.ways.list()
    say(report, ways)
    report.aside(f"put {described(ways[-1])} in the place of {way}")
    if words:
        show_words(report, words)


@command.command("remove")
@click.argument("way", metavar="ID")
@force_option
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def remove_way(report: Report, way: str, force: bool, why: options.Why, unlock: options.Unlock) -> None:
    """Close a way into the room.

    Open the room by another, which stays: so there always is one that works.
    """
    with unlock.open(why.purpose) as room:
        room.ways.remove(way, force=force, reason=why.reason)
        ways = room.ways.list()
    say(report, ways)
    report.aside(f"removed {way}")


def say(report: Report, ways: Sequence[Way]) -> None:
    """Print the ways that there are."""
    rows = [(way.id, kind(way), added(way), way.label or "") for way in ways]
    report.result({"ways": [as_json(way) for way in ways]}, table([("ID", "KIND", "ADDED", "LABEL"), *rows]))


def described(way: Way) -> str:
    """Name a way for people."""
    return f"{kind(way)} {way.id}"


def kind(way: Way) -> str:
    """`key-file`, `quorum 3/5`."""
    return f"{way.kind} {way.quorum[0]}/{way.quorum[1]}" if way.quorum else way.kind


def added(way: Way) -> str:
    """Say when it was added, as far as it is known."""
    return way.added.isoformat(timespec="seconds") if way.added else "-"


def as_json(way: Way) -> dict[str, object]:
    """Turn a way into JSON."""
    return {
        "id": way.id,
        "kind": way.kind,
        "label": way.label,
        "added": way.added.isoformat() if way.added else None,
        "quorum": None if way.quorum is None else {"threshold": way.quorum[0], "shares": way.quorum[1]},
        "token": way.token,
    }
