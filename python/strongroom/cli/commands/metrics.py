"""`strongroom metrics`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from strongroom.cli import options
from strongroom.errors import Misuse

if TYPE_CHECKING:
    from strongroom.cli.report import Report
    from strongroom.observe.prometheus import PrometheusMeter


@click.command("metrics")
@click.option(
    "--textfile",
    metavar="FILE",
    type=click.Path(dir_okay=False),
    help="Write to FILE, whole or not at all, for the textfile collector of Prometheus' node exporter.",
)
@options.json_option
@options.unlock_options
@click.pass_obj
def command(report: Report, textfile: str | None, unlock: options.Unlock) -> None:
    """Print the figures of the room for a monitor.

    Counts what the audit log holds, of all processes together, and looks at the keys as they are now. For a host without
    a scraper, run it from a timer.
    """
    meter = new_meter()
    with unlock.open() as room:
        room.recount(meter)
        room.measure(meter)
    if textfile is not None:
        meter.write(textfile)
        report.result({"textfile": textfile})
        report.aside(f"wrote the figures of the room to {textfile}")
        return
    report.result({"samples": meter.samples()}, meter.text().splitlines())


def new_meter() -> PrometheusMeter:
    """Make a meter, or say what to install."""
    try:
        from strongroom.observe.prometheus import PrometheusMeter
    except ImportError:
        raise Misuse("figures need the extra `metrics`: pip install 'strongroom[metrics]'") from None
    return PrometheusMeter.of_all_time()
