"""`strongroom bench`."""

from __future__ import annotations

import re
import sys

import click

from strongroom.cli import options
from strongroom.cli.report import Report


class Size(click.ParamType[int]):
    """Bytes, or `64KiB`, `256MiB`, `1GiB`."""

    name = "size"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a size of at least 1 MiB and at most 1 TiB."""
        if isinstance(value, int):
            return value
        match = re.fullmatch(r"(\d{1,15})\s*(|KiB|MiB|GiB|TiB)", str(value))
        if match is None:
            self.fail(f"{value!r} is not a size such as 268435456 or 256MiB", param, ctx)
        length = int(match[1]) * UNITS[match[2]]
        if not UNITS["MiB"] <= length <= UNITS["TiB"]:
            self.fail("it must be from 1MiB to 1TiB", param, ctx)
        return length


UNITS = {"": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}


@click.command("bench")
@click.option(
    "--dir",
    "directory",
    type=click.Path(exists=True, file_okay=False),
    metavar="DIR",
    help="Measure files here.  [default: where temporary files go]",
)
@click.option(
    "--size",
    "length",
    type=Size(),
    metavar="SIZE",
    help="Of large buffers and of files, such as 1GiB.  [default: 256MiB or more, as time and space allow]",
)
@click.option("--workers", type=click.IntRange(1, 1024), metavar="N", help="Threads, beside one.  [default: all]")
@click.option("--quick", is_flag=True, help="Take about 10 seconds rather than a minute.")
@options.json_option
@click.pass_obj
def command(report: Report, directory: str | None, length: int | None, workers: int | None, quick: bool) -> None:
    """Measure this machine against its own limit.

    Buffers, messages of 1 KiB and files, each beside the least that it could take here: the bare cipher over the same
    frames and threads, keys and header and one frame, the same reads and writes without a cipher. Says what bounds each
    of them and what to change, within a minute. No room is opened, no key of yours is used, no file is left behind.
    """
    from strongroom.cli.benchmark.document import document
    from strongroom.cli.benchmark.picture import lines
    from strongroom.cli.benchmark.suite import Wanted, run
    from strongroom.cli.progress import shown_time

    wanted = Wanted(directory, length, workers, quick)
    with shown_time(sum(wanted.seconds.values()), wanted=not report.json) as show:
        result = run(wanted, show)
    report.result(document(result), [] if report.json else lines(result, plain=is_plain()))
    for doubt in result.doubts():
        report.aside(f"do not quote these figures: {doubt}")


def is_plain() -> bool:
    """Whether stdout cannot show blocks."""
    return "utf" not in (sys.stdout.encoding or "").lower()
