"""`strongroom audit witness`: list, add, remove, push."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.failures import describe
from strongroom.cli.periods import moment
from strongroom.cli.report import table
from strongroom.cli.words import count, shown
from strongroom.errors import AuditTampered, PartialFailure

if TYPE_CHECKING:
    from strongroom.audit.cosigning import Cosigned
    from strongroom.cli.report import Report


@click.group("witness")
def command() -> None:
    """Have checkpoints cosigned, so that no rewritten log passes for this one."""


@command.command("list")
@options.json_option
@options.unlock_options
@click.pass_obj
def list_witnesses(report: Report, unlock: options.Unlock) -> None:
    """List the witnesses, and what each has cosigned last."""
    found = unlock.upkeep().standings()
    rows = [
        (
            shown(each.witness.name),
            shown(each.witness.url),
            each.last.tree.size if each.last else "-",
            moment(each.last.time) if each.last else "-",
        )
        for each in found
    ]
    report.result(
        {
            "witnesses": [
                {
                    "vkey": each.witness.vkey,
                    "url": each.witness.url,
                    "last": cosigned_as_json(each.last) if each.last else None,
                    "problem": each.problem,
                }
                for each in found
            ]
        },
        table([("NAME", "URL", "ENTRIES", "COSIGNED"), *rows]),
    )
    for each in found:
        if each.problem:
            report.aside(f"{shown(each.witness.name)}: {shown(each.problem)}")


@command.command("add")
@click.argument("vkey")
@click.argument("url")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def add(report: Report, vkey: str, url: str, why: options.Why, unlock: options.Unlock) -> None:
    """Add the witness with the key VKEY, which is asked at URL/add-checkpoint (C2SP tlog-witness).

    Give its operator the log's key first: it stands in the file vkey of the log.
    """
    with unlock.open(why.purpose) as room:
        witness = room.settings.add_witness(vkey, url, reason=why.reason)
    report.result({"name": witness.name, "vkey": witness.vkey, "url": witness.url})
    report.aside(f"added {shown(witness.name)}: `strongroom audit witness push` asks it for the first time")


@command.command("remove")
@click.argument("name")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def remove(report: Report, name: str, why: options.Why, unlock: options.Unlock) -> None:
    """Ask a witness no more."""
    with unlock.open(why.purpose) as room:
        room.settings.remove_witness(name, reason=why.reason)
    report.result({"name": name})
    report.aside(f"removed {shown(name)}")


@command.command("push")
@options.json_option
@options.unlock_options
@click.pass_obj
def push(report: Report, unlock: options.Unlock) -> None:
    """Seal the log and have it cosigned now, as by a timer.

    It is done by itself, too, when a room is closed. The exit code is 20 where a witness has seen another log than this one.
    """
    came = unlock.upkeep().push()
    good = [(witness, each) for witness, each in came if not isinstance(each, Exception)]
    failed = [(witness.name, each) for witness, each in came if isinstance(each, Exception)]
    alarms = [error for _, error in failed if isinstance(error, AuditTampered)]
    if alarms:
        raise alarms[0]
    for witness, each in good:
        report.aside(f"{shown(witness.name)} cosigned {count(each.tree.size, 'entry')}")
    if failed and not good:
        raise failed[0][1]
    if failed:
        lines = "; ".join(describe(error).message for _, error in failed)
        raise PartialFailure(f"{count(len(failed), 'witness')} did not cosign: {lines}", failed)
    report.result({"witnesses": [cosigned_as_json(each) for _, each in good]})


def cosigned_as_json(found: Cosigned) -> dict[str, object]:
    """Turn what a witness has cosigned into JSON."""
    return {
        "witness": found.witness,
        "size": found.tree.size,
        "root": found.tree.root.hex(),
        "time": moment(found.time),
    }
