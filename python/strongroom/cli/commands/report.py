"""`strongroom report`."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.cli.periods import DATE, Moment
from strongroom.cli.process import forbid_core_dumps
from strongroom.cli.words import shown
from strongroom.errors import AuditTampered, Misuse
from strongroom.files import write_private

if TYPE_CHECKING:
    from strongroom.cli.report import Report
    from strongroom.report import Evidence


class LastMoment(Moment):
    """The same, a date alone being its end."""

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a moment."""
        moment = super().convert(value, param, ctx)
        return moment + timedelta(days=1) if DATE.fullmatch(str(value)) else moment


@click.command("report")
@click.option(
    "--from", "start", type=Moment(), metavar="TIME", help="The beginning.  [default: 90 days before the end]"
)
@click.option("--to", "end", type=LastMoment(), metavar="TIME", help="The end; a date means all of it.  [default: now]")
@click.option("-o", "--output", type=click.Path(), metavar="FILE", help="Write the report here, as HTML.")
@click.option("--cbom", type=click.Path(), metavar="FILE", help="Write the CycloneDX bill of materials here.")
@click.option(
    "--data", multiple=True, type=click.Path(), metavar="PATH", help="Look for suites in these messages; repeatable."
)
@options.json_option
@options.unlock_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    start: datetime | None,
    end: datetime | None,
    output: str | None,
    cbom: str | None,
    data: tuple[str, ...],
    unlock: options.Unlock,
) -> None:
    """Write the evidence report for auditors.

    What the room holds, what is due, who used which keys and why, who was refused, what changed, what stands under which key,
    whether a backup was verified, which algorithms are in use, and whether the log verifies and agrees with the keystore. The
    exit code is 20 where it does not; the report is written all the same.
    """
    from strongroom.report import Period, bom, document, gather

    report: Report = ctx.obj
    if output is None and cbom is None and not report.json:
        raise click.UsageError("Name a file with -o, or print the report with --json.")
    end = end or datetime.now(UTC)
    start = start or end - QUARTER
    if start >= end:
        raise click.UsageError("The end of the period is not after its beginning.")
    forbid_core_dumps()
    evidence = gather(unlock.home, unlock.source(), Period(start.astimezone(UTC), end.astimezone(UTC)), data)
    if output is not None:
        write_private(Path(output), page(evidence).encode())
    if cbom is not None:
        write_private(Path(cbom), json.dumps(bom(evidence), indent=2).encode() + b"\n")
    for path in filter(None, (output, cbom)):
        report.aside(f"wrote {shown(path)}")
    width = max(len(each.title) for each in evidence.verdicts)
    lines = [f"{each.grade:<10}{each.title:<{width}}  {shown(each.says)}" for each in evidence.verdicts]
    report.result(document(evidence), lines)
    # said already, as one of the verdicts: an error would be a second object
    ctx.exit(0 if evidence.is_sound else AuditTampered.exit_code)


def page(evidence: Evidence) -> str:
    """Draw the page, or say what to install."""
    try:
        from strongroom.report.page import render
    except ImportError:
        raise Misuse("a page needs the extra `report`: pip install 'strongroom[report]'") from None
    return render(evidence)


QUARTER = timedelta(days=90)
