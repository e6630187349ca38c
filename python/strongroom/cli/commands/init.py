"""`strongroom init`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.kit import can_show_words, show_words
from strongroom.cli.process import forbid_core_dumps
from strongroom.cli.report import Report
from strongroom.cli.words import shown

if TYPE_CHECKING:
    from strongroom.home import InitResult


@dataclass(frozen=True, slots=True)
class Seals:
    """What the new room is to open with."""

    home: str | None
    passphrase_file: str | None
    passphrase_fd: int | None
    passphrase_command: str | None
    key_file: str | None
    make_key_file: str | None
    recovery_file: str | None
    keystore: str | None
    quorum: tuple[int, int] | None
    share_directory: str | None
    root: str | None
    existing: bool


@click.command("init")
@options.gathered(
    "seals",
    Seals,
    [
        *options.SEALS,
        options.path_option("--make-key-file", "Write a new key file here; it opens the room as well."),
        options.path_option("--recovery-file", "Write the recovery kit here instead of showing it."),
        click.option("--keystore", metavar="URL", help="Keep the keystore in this PostgreSQL database."),
        *options.QUORUM,
        click.option(
            "--root", metavar="URI", help="Make the root key in this PKCS#11 token: pkcs11:token=…;object=…?…"
        ),
        options.EXISTING,
    ],
)
@click.option("--no-recovery", is_flag=True, help="Make no recovery kit.")
@options.json_option
@click.pass_obj
def command(report: Report, seals: Seals, no_recovery: bool) -> None:
    """Make a room.

    It opens with a passphrase, a key file or both, and with the recovery kit: 24 words that are shown once, on a
    terminal only. Keep them on paper, away from this machine. With --root it opens by a key in a token, and asks for no
    passphrase.
    """
    if no_recovery and seals.recovery_file:
        raise click.UsageError("--recovery-file and --no-recovery exclude each other.")
    if seals.existing and not seals.root:
        raise click.UsageError("--existing belongs to --root.")
    wants_words = not (no_recovery or seals.recovery_file)
    sees_words = can_show_words(report)
    made = make(seals, recovery=bool(seals.recovery_file) or (wants_words and sees_words))
    say(report, made, seals)
    if wants_words and not sees_words:
        report.aside("no terminal to show the recovery kit on, so there is none: --recovery-file PATH writes one")


def make(seals: Seals, *, recovery: bool) -> InitResult:
    """Make the room."""
    import strongroom

    forbid_core_dumps()
    asks = sys.stdin.isatty() and not (seals.make_key_file or seals.quorum or seals.root)
    return strongroom.init(
        seals.home,
        passphrase_file=seals.passphrase_file,
        passphrase_fd=seals.passphrase_fd,
        passphrase_command=seals.passphrase_command,
        key_file=seals.key_file,
        make_key_file=seals.make_key_file,
        recovery_file=seals.recovery_file,
        keystore=seals.keystore,
        recovery=recovery,
        quorum=seals.quorum,
        share_directory=seals.share_directory,
        root=seals.root,
        existing=seals.existing,
        prompt=asks,
        confirm="The same again: " if asks else None,
    )


def say(report: Report, made: InitResult, seals: Seals) -> None:
    """Where the room is, and the kit if it is to be shown."""
    document: dict[str, object] = {
        "room_id": made.room_id,
        "home": str(made.home),
        "key_file": None if made.key_file is None else str(made.key_file),
        "recovery_file": seals.recovery_file,
    }
    if made.share_files:
        document["share_files"] = [str(path) for path in made.share_files]
    report.result(document)
    report.aside(f"made a room in {shown(made.home)}")
    if made.recovery_words:
        show_words(report, made.recovery_words)
