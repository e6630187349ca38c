"""`strongroom census`."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import click

from strongroom.cli import ages, jobs, options
from strongroom.cli.failures import as_items, describe
from strongroom.cli.progress import shown_progress
from strongroom.cli.report import SHOWN_FAILURES, Report, table
from strongroom.cli.words import count, duration, shown, size

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from strongroom.client.results import CensusCount, PlaceCensus


@click.command("census")
@click.argument("paths", metavar="PATH...", nargs=-1, type=click.Path())
@click.option("--no-record", is_flag=True, help="Count only; opens no room.")
@click.option("--forget", metavar="PLACE", multiple=True, help="Forget HOST:PATH, which is no more; repeatable.")
@click.option("--svg", type=click.Path(), metavar="FILE", help="Draw what stands under each key by its age.")
@options.why_options
@options.job_options
@options.json_option
@options.unlock_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    paths: tuple[str, ...],
    no_record: bool,
    forget: tuple[str, ...],
    svg: str | None,
    why: options.Why,
    job: options.Job,
    unlock: options.Unlock,
) -> None:
    """Count messages, bytes and files by key, from headers alone.

    The counts are remembered: a key version goes only when the last census of every place found nothing under it. Beneath
    PATH no link is followed. What cannot be read is named, and leaves the census incomplete: it may hold anything.
    """
    import strongroom
    from strongroom.client.census import census

    if not paths and not forget:
        raise click.UsageError("Missing argument 'PATH...'.")
    report: Report = ctx.obj
    control = strongroom.Control(workers=job.workers)
    with (
        ExitStack() as opened,
        shown_progress("count", wanted=not (job.quiet or job.no_progress or report.json)) as show,
    ):
        room = None if no_record else opened.enter_context(unlock.open(why.purpose))
        if room is not None:
            for place in forget:
                room.forget_census(place, reason=why.reason)

        def work() -> Sequence[PlaceCensus]:
            if room is None:
                return [census(path, control) for path in paths]
            return room.census(paths, reason=why.reason, control=control)

        places = jobs.run(work, control, show)
    if svg is not None:
        Path(svg).write_text(ages.draw(counts_of(places)), "utf-8")
    report.result(document(places), lines(places))
    if not job.quiet:
        for line in asides(places):
            report.aside(line)
    ctx.exit(0 if all(place.complete for place in places) else SOME_FAILED)


def document(places: Sequence[PlaceCensus]) -> dict[str, object]:
    """Turn a census into JSON; totals are over all places, and count what lies in two of them twice."""
    return {
        "complete": all(place.complete for place in places),
        **{total: sum(getattr(place, total) for place in places) for total in TOTALS},
        "counts": [count_as_json(row) for row in together(counts_of(places))],
        "places": [place_as_json(place) for place in places],
    }


def place_as_json(place: PlaceCensus) -> dict[str, object]:
    """Turn what one place holds into JSON."""
    return {
        "place": place.place,
        "taken": place.taken.isoformat(),
        "complete": place.complete,
        **{total: getattr(place, total) for total in TOTALS},
        "counts": [count_as_json(row) for row in place.counts],
        "unread": as_items(place.unread),
        "seconds": place.seconds,
    }


def count_as_json(row: CensusCount) -> dict[str, object]:
    """Turn a row into JSON."""
    return {
        "class": row.data_class,
        "key_id": row.key_id,
        "version": row.version,
        "suite": f"{row.suite:04x}",
        "messages": row.messages,
        "bytes": row.bytes,
        "files": row.files,
        "days": [{"day": day.isoformat(), "messages": messages, "bytes": size} for day, messages, size in row.days],
    }


def lines(places: Sequence[PlaceCensus]) -> list[str]:
    """Give a line to each key version."""
    rows = [
        (
            row.data_class or "-",
            row.key_id or "not a room's",
            row.version or "-",
            f"{row.suite:04x}",
            f"{row.messages:,}",
            size(row.bytes),
            f"{row.files:,}",
            row.days[0][0] if row.days else "-",
            row.days[-1][0] if row.days else "-",
        )
        for row in together(counts_of(places))
    ]
    return table([HEADING, *rows])


def asides(places: Sequence[PlaceCensus]) -> Iterator[str]:
    """Say how much was looked at, and what could not be."""
    unread = [failure for place in places for failure in place.unread]
    for path, error in unread[:SHOWN_FAILURES]:
        yield f"  {shown(path)}: {describe(error).message}"
    totals = {total: sum(getattr(place, total) for place in places) for total in TOTALS}
    yield (
        f"counted {count(totals['messages'], 'message')} in {count(totals['files'], 'file')}, {size(totals['bytes'])},"
        f" in {duration(sum(place.seconds for place in places))}; {count(totals['others'], 'other file')},"
        f" {count(totals['links'], 'link')} not followed"
    )
    if unread:
        yield f"incomplete: {count(len(unread), 'entry')} could not be read, and may hold anything"


def counts_of(places: Iterable[PlaceCensus]) -> list[CensusCount]:
    """All rows of all places."""
    return [row for place in places for row in place.counts]


def together(rows: Iterable[CensusCount]) -> list[CensusCount]:
    """Rows of several places as one for each class, key version and suite."""
    from strongroom.client.census import merged

    return merged(rows)


HEADING = ("CLASS", "KEY", "VERSION", "SUITE", "MESSAGES", "BYTES", "FILES", "OLDEST", "NEWEST")
TOTALS = ("messages", "bytes", "files", "others", "links")
SOME_FAILED = 3
