"""Runs a job beside the main thread, which shows progress and hears Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Generic, TypeVar

from strongroom.cli.progress import Show, show_nothing

if TYPE_CHECKING:
    from strongroom import Control

T = TypeVar("T")

TICK = 0.1
PATIENCE = 2.0


def run(work: Callable[[], T], control: Control, show: Show = show_nothing) -> T:
    """Return the result of `work`; on Ctrl-C the job is cancelled first, so that its unfinished output is removed.

    A job that sits in a read that never returns (a pipe that says nothing) is left behind after two seconds.
    """
    job = _Job(work)
    try:
        job.thread.start()
        while not job.done.wait(TICK):
            show(control)
    except KeyboardInterrupt:
        control.cancel()
        if job.thread.is_alive():
            job.thread.join(PATIENCE)
        raise
    return job.outcome()


class _Job(Generic[T]):
    """A thread and what came of it."""

    def __init__(self, work: Callable[[], T]) -> None:
        self.done = threading.Event()
        # a daemon, so that a job which cannot be cancelled does not keep the process alive
        self.thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._result: list[T] = []
        self._error: BaseException | None = None

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._result.append(work())
        except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
            self._error = error
        finally:
            self.done.set()

    def outcome(self) -> T:
        if self._error is not None:
            raise self._error
        return self._result[0]
