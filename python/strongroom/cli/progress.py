"""A bar with rate and time left, on stderr, for jobs long enough to be worth one. Imports rich only then."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strongroom.cli.words import count

if TYPE_CHECKING:
    from rich import progress as rich_progress

    from strongroom import Control

Show = Callable[["Control"], None]

# a shorter job is over before anybody reads, and need not pay for the import
WORTH_SHOWING = 0.5


def show_nothing(_control: Control) -> None:
    """No progress."""


@contextmanager
def shown_progress(verb: str, *, wanted: bool) -> Iterator[Show]:
    """Give what to call with the job's control now and then; it shows a bar if `wanted` and stderr is a terminal."""
    if not wanted or not sys.stderr.isatty():
        yield show_nothing
        return
    bar = Bar(verb)
    try:
        yield bar
    finally:
        bar.close()


class Bar:
    """Drawn from the counters of a job's control."""

    def __init__(self, verb: str) -> None:
        self._verb = verb
        self._start = time.monotonic()
        self._bar: rich_progress.Progress | None = None
        self._task: rich_progress.TaskID | None = None

    def __call__(self, control: Control) -> None:
        """Draw where the job stands."""
        if time.monotonic() - self._start < WORTH_SHOWING:
            return
        if self._bar is None or self._task is None:
            self._bar = _new_bar()
            self._task = self._bar.add_task(self._verb, total=None)
            self._bar.start()
        self._bar.update(
            self._task,
            completed=control.bytes_done,
            total=control.bytes_total or None,
            description=f"{self._verb} {_files(control)}".rstrip(),
        )

    def close(self) -> None:
        """Take the bar off the screen."""
        if self._bar is not None:
            self._bar.stop()


@contextmanager
def shown_time(seconds: float, *, wanted: bool) -> Iterator[Callable[[str], None]]:
    """Give what to call with a word now and then; it shows how much of the planned time has passed."""
    if not wanted or not sys.stderr.isatty():
        yield lambda _word: None
        return
    bar, start = _new_bar(seconds_only=True), time.monotonic()
    task = bar.add_task("", total=seconds)
    with bar:
        yield lambda word: bar.update(task, completed=min(time.monotonic() - start, seconds), description=word)


def _files(control: Control) -> str:
    if not control.files_total or control.files_total < 2:
        return ""
    return f"{control.files_done:,} of {count(control.files_total, 'file')}"


def _new_bar(*, seconds_only: bool = False) -> rich_progress.Progress:
    from rich import progress
    from rich.console import Console

    bytes_moved = [progress.DownloadColumn(binary_units=True), progress.TransferSpeedColumn()]
    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        *([] if seconds_only else bytes_moved),
        progress.TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
