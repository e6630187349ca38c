"""`strongroom reencrypt`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from strongroom.cli import jobs, options, results
from strongroom.cli.progress import shown_progress
from strongroom.cli.report import Report
from strongroom.cli.words import count, duration, rate, shown, size
from strongroom.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom import Control
    from strongroom.client.results import ReencryptResult
    from strongroom.client.room import Room


@click.command("reencrypt")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--all", "everything", is_flag=True, help="Also what stands under the current key version already.")
@click.option("--to-suite", type=click.Choice(["0478", "0578"]), help="Also what is in another suite; into this one.")
@click.option("--rate", "speed", type=click.IntRange(1), metavar="MB", help="At most so many megabytes a second.")
@options.context_option
@options.dry_run_option
@options.why_options
@options.job_options
@options.json_option
@options.unlock_options
@click.pass_obj
def command(
    report: Report,
    *,
    paths: tuple[str, ...],
    everything: bool,
    to_suite: str | None,
    speed: int | None,
    context: dict[str, str],
    dry_run: bool,
    why: options.Why,
    job: options.Job,
    unlock: options.Unlock,
) -> None:
    """Move files, directories and folders of both to the current key version.

    Each message is made anew under a new data key, verified, and takes the place of the old one; who reads meanwhile
    finds one of the two. What stands under the current version is left alone. After an interruption, run it again.
    """
    import strongroom

    report.subject = shown(paths[0]) if len(paths) == 1 else None
    how: dict[str, Any] = {
        "context": context or None,
        "reason": why.reason,
        "to_suite": None if to_suite is None else int(to_suite, 16),
        "everything": everything,
        "rate": None if speed is None else speed * 10**6,
        "dry_run": dry_run,
    }
    with unlock.open(why.purpose) as room:
        control = strongroom.Control(workers=job.workers)
        with shown_progress("re-encrypt", wanted=not (job.quiet or job.no_progress or report.json)) as show:
            result = jobs.run(lambda: moved(room, paths, control, how), control, show)
    if not job.quiet:
        report.aside(sentence(result))
    if result.failures:
        from strongroom.client.reencryption import ReencryptFailure

        raise ReencryptFailure(result)
    report.result({"operation": "reencrypt"} | results.document(result))


def moved(room: Room, paths: Sequence[str], control: Control, how: dict[str, Any]) -> ReencryptResult:
    """Move one path after the other. Of several, one that cannot be moved does not stop the others."""
    from strongroom.client.reencryption import OF_ONE, ReencryptFailure, together

    done = []
    failures: list[tuple[str, Exception]] = []
    for path in paths:
        try:
            done.append(room.reencrypt(path, control=control, **how))
        except ReencryptFailure as failure:
            done.append(failure.result)
        except (Misuse, *OF_ONE) as error:
            if len(paths) == 1:
                raise
            failures.append((path, error))
    return together(done, failures)


def sentence(result: ReencryptResult) -> str:
    """`re-encrypted 24,312 messages, 1.9 GiB in 2.1 s (0.9 GiB/s); 12 stood under the current key already`."""
    verb = "would re-encrypt" if result.dry_run else "re-encrypted"
    speed = rate(result.plaintext_bytes, result.seconds)
    took = "" if result.dry_run else f" in {duration(result.seconds)} ({speed})"
    others = f"; {count(result.others, 'file')} of something else" if result.others else ""
    return (
        f"{verb} {count(result.moved, 'message')}, {size(result.plaintext_bytes)}{took};"
        f" {result.settled:,} stood under the current key already{others}"
    )
