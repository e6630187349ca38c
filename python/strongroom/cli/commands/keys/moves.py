"""`strongroom keys activate`, `rotate`, `suspend`, `resume`, `deactivate`, `compromise`, `destroy`, `restore`."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.commands.keys.calendar import say_done
from strongroom.cli.commands.keys.words import as_json
from strongroom.cli.periods import Moment, Period, moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from strongroom.cli.report import Report
    from strongroom.model import Key

key_argument = click.argument("key_id", metavar="KEY_ID")
version_option = click.option(
    "--version", "number", type=click.IntRange(1), required=True, metavar="N", help="Which version of the key."
)
reason_option = click.option("--reason", required=True, metavar="TEXT", help="Why; it stays in the key's history.")
purpose_option = click.option(
    "--purpose", metavar="TEXT", help="What for, for policy and audit.  [default: the command]"
)
why_options = options.gathered("why", options.Why, [reason_option, purpose_option])


def on_version(command: Callable[..., None]) -> Callable[..., None]:
    """What every command takes that needs to know which version it is about."""
    asked = (key_argument, version_option, why_options, options.json_option, options.unlock_options, click.pass_obj)
    for decorate in reversed(asked):
        command = decorate(command)
    return command


@click.command("activate")
@key_argument
@click.option(
    "--version",
    "number",
    type=click.IntRange(1),
    metavar="N",
    help="Which version.  [default: the one that waits]",
)
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def activate_key(report: Report, key_id: str, number: int | None, why: options.Why, unlock: options.Unlock) -> None:
    """Make a version that waits for its date active and primary now."""
    with unlock.open(why.purpose) as room:
        key = room.keys.activate(key_id, version=number, reason=why.reason)
    say(report, key, f"activated version {key.primary}")


@click.command("rotate")
@click.argument("key_id", metavar="[KEY_ID]", required=False)
@click.option("--due", is_flag=True, help="Rotate every key that is due, instead of one.")
@click.option("--activate-at", type=Moment(), metavar="TIME", help="Make the new version now, and primary then.")
@click.option("--kek", metavar="URI", help="Take this key in the class's token, instead of making one there.")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def rotate_key(
    report: Report,
    *,
    key_id: str | None,
    due: bool,
    activate_at: datetime | None,
    kek: str | None,
    why: options.Why,
    unlock: options.Unlock,
) -> None:
    """Make a new version of a key primary.

    New data is encrypted under the new version. Data under older versions stays readable.
    """
    if (key_id is None) != due or (due and (activate_at or kek)):
        raise click.UsageError("Name a key, or say --due.")
    with unlock.open(why.purpose) as room:
        if key_id is None:
            say_done(report, room.keys.do_due(destroy=False, reason=why.reason))
            return
        key = room.keys.rotate(key_id, activate_at=activate_at, kek=kek, reason=why.reason)
    if activate_at is None:
        say(report, key, f"version {key.primary} is primary")
    else:
        say(report, key, f"version {key.versions[-1].version} becomes primary on {moment(activate_at)}")


@click.command("suspend")
@on_version
def suspend_key(report: Report, key_id: str, number: int, why: options.Why, unlock: options.Unlock) -> None:
    """Stop all use of a version, until it is resumed.

    Leases on it in other processes end when their time is over.
    """
    with unlock.open(why.purpose) as room:
        key = room.keys.suspend(key_id, number, reason=why.reason or "")
    say(report, key, f"suspended version {number}")


@click.command("resume")
@on_version
def resume_key(report: Report, key_id: str, number: int, why: options.Why, unlock: options.Unlock) -> None:
    """Allow the use of a suspended version again."""
    with unlock.open(why.purpose) as room:
        key = room.keys.resume(key_id, number, reason=why.reason or "")
    say(report, key, f"resumed version {number}, which is {state(key, number)}")


@click.command("deactivate")
@on_version
def deactivate_key(report: Report, key_id: str, number: int, why: options.Why, unlock: options.Unlock) -> None:
    """End encryption under a version; it still decrypts."""
    with unlock.open(why.purpose) as room:
        key = room.keys.deactivate(key_id, number, reason=why.reason or "")
    say(report, key, f"deactivated version {number}")


@click.command("compromise")
@click.option("--rotate", is_flag=True, help="If it is the primary version, make a new one in the same moment.")
@on_version
def compromise_key(
    report: Report, key_id: str, number: int, *, rotate: bool, why: options.Why, unlock: options.Unlock
) -> None:
    """Say that others may know a version.

    Nothing is encrypted or decrypted under it from now on; data can be re-encrypted from it. Leases on it in other
    processes end when their time is over.
    """
    with unlock.open(why.purpose) as room:
        key = room.keys.compromise(key_id, number, rotate=rotate, reason=why.reason or "")
    say(report, key, f"version {number} is compromised")


@click.command("destroy")
@click.option(
    "--wait", type=Period(), metavar="PERIOD", help="How long it can be restored.  [default: what the class says]"
)
@on_version
def destroy_key(
    report: Report, key_id: str, number: int, *, wait: int | None, why: options.Why, unlock: options.Unlock
) -> None:
    """Schedule the destruction of a version.

    Nothing works under it from now on. `keys due --apply` destroys it once the wait is over, and `keys restore` takes it
    back before that. Refused while the last census found messages under it, or is too old.
    """
    with unlock.open(why.purpose) as room:
        wait_for = None if wait is None else timedelta(seconds=wait)
        key = room.keys.destroy(key_id, number, wait=wait_for, reason=why.reason or "")
    date = next(version.destroy_at for version in key.versions if version.version == number)
    say(report, key, f"version {number} is to be destroyed after {moment(date)}" if date else f"destroyed {number}")


@click.command("restore")
@on_version
def restore_key(report: Report, key_id: str, number: int, why: options.Why, unlock: options.Unlock) -> None:
    """Take back a scheduled destruction."""
    with unlock.open(why.purpose) as room:
        key = room.keys.restore(key_id, number, reason=why.reason or "")
    say(report, key, f"restored version {number}, which is {state(key, number)}")


def say(report: Report, key: Key, what: str) -> None:
    """Report a key as it is now, and warn if nothing can be encrypted under it."""
    report.result({"key": as_json(key)})
    report.aside(f"key {key.id} of class {key.data_class}: {what}")
    if key.current and key.primary == 0:
        report.aside("  it has no primary version: nothing can be encrypted under it until `strongroom keys rotate`")


def state(key: Key, number: int) -> str:
    """The state of one version."""
    return str(next(version.state for version in key.versions if version.version == number))
