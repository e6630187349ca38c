"""`strongroom audit forward`: to, off, run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.failures import describe
from strongroom.cli.words import count, shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.audit.forwarding import Forwarded
    from strongroom.cli.report import Report
    from strongroom.errors import StrongroomError


@click.group("forward")
def command() -> None:
    """Send entries on to a SIEM, from the log and never instead of it."""


@command.command("to")
@click.argument("target", metavar="URL")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def to(report: Report, target: str, why: options.Why, unlock: options.Unlock) -> None:
    """Forward to URL from now on, beginning with the first entry of the log.

    syslog+tls://HOST[:PORT], syslog+tcp://…, syslog+udp://… and unix:///dev/log are RFC 5424 messages, file:///PATH is JSON Lines.
    """
    with unlock.open(why.purpose) as room:
        room.settings.forward_to(target, reason=why.reason)
    report.result({"target": target})
    report.aside(f"entries are forwarded to {shown(target)}: `strongroom audit forward run` sends what there is")


@command.command("off")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def off(report: Report, why: options.Why, unlock: options.Unlock) -> None:
    """Forward no more."""
    with unlock.open(why.purpose) as room:
        room.settings.forward_to(None, reason=why.reason)
    report.result({"target": None})
    report.aside("entries are forwarded no more")


@command.command("run")
@click.option("--follow", is_flag=True, help="Go on for ever, as a service.")
@click.option(
    "--every", type=click.IntRange(1), default=5, metavar="SECONDS", help="How often --follow looks.  [default: 5]"
)
@options.json_option
@options.unlock_options
@click.pass_obj
def run(report: Report, follow: bool, every: int, unlock: options.Unlock) -> None:
    """Seal the log and send what was not sent yet, as by a timer.

    It is done by itself, too, when a room is closed. Where the receiver is away, nothing is lost, and the next run goes on.
    """
    upkeep = unlock.upkeep()
    if not follow:
        done = upkeep.forward()
        report.result({"sent": done.sent, "next": done.next})
        report.aside(f"sent {count(done.sent, 'entry')}, {count(done.next, 'entry')} in all")
        return
    for line in lines(upkeep.follow(every)):
        report.aside(line)


def lines(came: Iterator[Forwarded | StrongroomError]) -> Iterator[str]:
    """What is worth a line: what was sent, and what failed unless it failed so before."""
    before = ""
    for each in came:
        if isinstance(each, Exception):
            said = shown(describe(each).message)
            if said != before:
                yield said
            before = said
        else:
            before = ""
            if each.sent:
                yield f"sent {count(each.sent, 'entry')}"
