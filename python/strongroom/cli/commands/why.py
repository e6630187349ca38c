"""`strongroom why`."""

from __future__ import annotations

import click

from strongroom.cli import options
from strongroom.cli.report import Report
from strongroom.cli.words import shown


@click.command("why")
@click.argument("path", metavar="FILE", type=click.Path())
@options.why_options
@options.json_option
@options.unlock_options
@click.pass_obj
def command(report: Report, path: str, why: options.Why, unlock: options.Unlock) -> None:
    """Show which key a file needs, and whether you may use it.

    Nothing is decrypted. The exit code is 0 when the answer is known, whatever it is.
    """
    report.subject = shown(path)
    with unlock.open(why.purpose) as room:
        info = room.why(path, reason=why.reason)
    document = {
        "path": path,
        "class": info.data_class,
        "key_id": info.key_id,
        "version": info.key_version,
        "state": info.state,
        "allowed": info.allowed,
        "reason": info.reason,
    }
    verdict = "you may decrypt it" if info.allowed else f"you may not decrypt it: {info.reason}"
    report.result(
        document,
        [
            f"class       {info.data_class or 'unknown'}",
            f"key         {info.key_id or 'unknown'}",
            f"version     {info.key_version if info.key_version is not None else 'unknown'}",
            f"state       {info.state or 'unknown'}",
            verdict,
        ],
    )
