"""`strongroom info`."""

from __future__ import annotations

import platform
import sqlite3
import sys
from collections.abc import Iterator, Mapping

import click

from strongroom.cli import options
from strongroom.cli.machine import room_of
from strongroom.cli.report import Report


@click.command("info")
@options.home_option
@options.json_option
@click.pass_obj
def command(report: Report, home: str | None) -> None:
    """Show versions, build and paths.

    No room is opened.
    """
    import strongroom

    facts: dict[str, object] = {
        **strongroom.info(),
        "executable": sys.executable,
        "sqlite": sqlite3.sqlite_version,
        "system": f"{platform.system()} {platform.release()}",
        "home": str(room_of(home)),
    }
    report.result(facts, [f"{name:<22}{value}" for name, value in flat(facts)])


def flat(facts: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Facts within facts as dotted names."""
    for name, value in facts.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value
