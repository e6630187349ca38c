"""`strongroom audit`: tail, grep, verify, prove, export, reconcile, prune, witness, forward."""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from strongroom.cli import forwarding, options
from strongroom.cli import witnesses as witnessing
from strongroom.cli.periods import Moment, moment
from strongroom.cli.witnesses import cosigned_as_json
from strongroom.cli.words import count, shown
from strongroom.errors import AuditTampered

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from strongroom.cli.report import Report


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: what is None chooses nothing."""

    event: str | None
    data_class: str | None
    key_id: str | None
    principal: str | None

    def entries(self, home: str | None) -> Iterable[bytes]:
        """The entries that are wanted, as they stand in the log."""
        from strongroom.home import auditing

        members = {name: value for name, value in asdict(self).items() if value is not None}
        return auditing.chosen(auditing.lines(home), members)


filters = options.gathered(
    "wanted",
    Wanted,
    [
        click.option("--event", metavar="EVENT", help="Only entries of this kind, such as lease-opened."),
        click.option("--class", "data_class", metavar="NAME", help="Only entries about this class."),
        click.option("--key", "key_id", metavar="ID", help="Only entries about this key."),
        click.option("--principal", metavar="NAME", help="Only what this principal did."),
    ],
)


@click.group("audit")
def command() -> None:
    """Read, verify, prove, export, reconcile and prune the audit log."""


@command.command("tail")
@click.option("-n", "lines", type=click.IntRange(0), default=10, metavar="N", help="How many.  [default: 10]")
@filters
@options.json_option
@options.home_option
@click.pass_obj
def tail(report: Report, lines: int, home: str | None, wanted: Wanted) -> None:
    """Show the newest entries."""
    show(report, deque(wanted.entries(home), maxlen=lines))


@command.command("grep")
@click.argument("pattern")
@filters
@options.json_option
@options.home_option
@click.pass_obj
def grep(report: Report, pattern: str, home: str | None, wanted: Wanted) -> None:
    """Show the entries that match the regular expression PATTERN."""
    try:
        matches = re.compile(pattern.encode()).search
    except re.error as error:
        raise click.BadParameter(f"{pattern!r} is no regular expression: {error}") from None
    show(report, [entry for entry in wanted.entries(home) if matches(entry)])


@command.command("verify")
@click.option("--vkey", metavar="VKEY", help="Verify by this key, noted before: nothing unlocks the room.")
@click.option(
    "--witness",
    "witnesses",
    multiple=True,
    metavar="VKEY",
    help="Demand that this witness has cosigned it; repeatable.",
)
@options.json_option
@options.unlock_options
@click.pass_obj
def verify(report: Report, vkey: str | None, witnesses: tuple[str, ...], unlock: options.Unlock) -> None:
    """Verify the whole log.

    Its checkpoint, every entry below it, every tile between, that the keystore has not seen a longer one, and that it goes on from
    what each --witness has cosigned. The exit code is 20 where something is not what was written, and the first such thing is named.
    """
    from strongroom.home import auditing

    found = unlock.upkeep().verify_audit() if vkey is None else auditing.verify(unlock.home, vkey)
    seen = auditing.verify_witnessed(unlock.home, found, witnesses)
    report.result(
        {
            "log": found.log,
            "size": found.size,
            "root": found.root.hex(),
            "waiting": found.waiting,
            "vkey": found.vkey,
            "witnesses": [cosigned_as_json(each) for each in seen],
        },
        [
            f"the log is sound: {count(found.size, 'entry')}",
            f"root {found.root.hex()}",
            f"key {found.vkey}",
            *(
                f"{shown(each.witness)} saw {count(each.tree.size, 'entry')} of it, {moment(each.time)}"
                for each in seen
            ),
        ],
    )


@command.command("prove")
@click.argument("entry", metavar="NUMBER|ID")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Write the proof here.  [default: stdout]")
@options.home_option
@click.pass_obj
def prove(report: Report, entry: str, output: str | None, home: str | None) -> None:
    """Write a proof that an entry is in the log.

    NUMBER counts from 0. The proof holds the checkpoint, and is checked with the entry and the log's key alone (C2SP tlog-proof).
    """
    from pathlib import Path

    from strongroom.files import write_private
    from strongroom.home import auditing

    number, proof = auditing.prove_entry(home, int(entry) if entry.isdecimal() and len(entry) < ID_LENGTH else entry)
    if output is None:
        sys.stdout.buffer.write(proof)
        return
    write_private(Path(output), proof)
    report.aside(f"wrote the proof of entry {number} to {shown(output)}")


@command.command("export")
@filters
@options.home_option
def export(home: str | None, wanted: Wanted) -> None:
    """Write entries to stdout as JSON Lines, each as it stands in the log."""
    for entry in wanted.entries(home):
        sys.stdout.buffer.write(entry + b"\n")
    sys.stdout.buffer.flush()


@command.command("reconcile")
@click.option(
    "--log", "logs", multiple=True, type=click.Path(), metavar="DIR", help="The log of another place; repeatable."
)
@options.json_option
@options.unlock_options
@click.pass_obj
def reconcile(report: Report, logs: tuple[str, ...], unlock: options.Unlock) -> None:
    """Compare the log with the keystore.

    Every change of a key has its entry and every entry its change; every lease that ended was opened, and no more data keys were
    released than the keystore has counted. All that does not agree is named, and the exit code is 20.
    """
    found = unlock.upkeep().reconcile(logs)
    for line in found.elsewhere:
        report.aside(f"not at hand, and not compared: log {line}")
    if found.wrong:
        for line in found.wrong:
            report.aside(line)
        raise AuditTampered(f"{count(len(found.wrong), 'thing')} does not agree: {'; '.join(found.wrong)}")
    report.result(
        {
            "entries": found.entries,
            "changes": found.changes,
            "leases": found.leases,
            "elsewhere": list(found.elsewhere),
        },
        [
            f"log and keystore agree: {found.entries:,} entries, {found.changes:,} changes of keys, {found.leases:,} leases"
        ],
    )


@command.command("prune")
@click.option("--before", "since", type=Moment(), metavar="TIME", help="Take away what is older than this.")
@click.option("--keep", type=click.IntRange(0), metavar="N", help="Take away all but the newest N entries.")
@click.option("--dry-run", is_flag=True, help="Say what would go, and take nothing away.")
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def prune(
    report: Report, since: datetime | None, keep: int | None, dry_run: bool, unlock: options.Unlock, why: options.Why
) -> None:
    """Take away the oldest entries for good.

    Whole bundles of 256 go, and never one that does not lie below a checkpoint. The log says so before, proofs of the rest
    stay valid, and `verify` and `reconcile` know. Copy the folder first if somebody may want to see those entries again.
    """
    if (since is None) == (keep is None):
        raise click.UsageError("Say which entries go: with --before or --keep.")
    found = unlock.upkeep(why.purpose).prune_audit(since=since, keep=keep, dry_run=dry_run, reason=why.reason)
    would = "would go" if dry_run else "went"
    report.result(
        {"first": found.first, "entries": found.entries, "files": found.files},
        [f"{count(found.entries, 'entry')} {would}; the log begins with entry {found.first}"],
    )


def show(report: Report, entries: Iterable[bytes]) -> None:
    """Entries for people, or as one JSON object."""
    contents = [json.loads(entry) for entry in entries]
    report.result({"entries": contents}, map(line, contents))


def line(entry: dict[str, Any]) -> str:
    """`TIME EVENT PRINCIPAL: member=value …`: what only this kind of entry says."""
    rest = " ".join(f"{name}={value}" for name, value in entry.items() if name not in COMMON)
    reason = f" ({entry['reason']})" if entry.get("reason") else ""
    return shown(f"{entry['time']} {entry['event']} {entry.get('principal', '')}{reason}: {rest}")


command.add_command(witnessing.command)
command.add_command(forwarding.command)

ID_LENGTH = 32
COMMON = frozenset(
    {"schema", "event", "id", "time", "principal", "purpose", "reason", "actor", "host", "process", "library"}
    | {"request", "trace"}
)
