"""Locks between processes, waited for in bounded time."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from strongroom.errors import AuditUnavailable
from strongroom.files import FILE_MODE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Lock:
    """An flock on the file `path`, which is made if it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold it. Raises AuditUnavailable if another process does for too long."""
        if not self.take(wait=True):
            raise AuditUnavailable(f"another process has held {self._path} for {PATIENCE} s: is it stopped?")
        try:
            yield
        finally:
            self.leave()

    def take(self, *, wait: bool) -> bool:
        """Whether it is ours now."""
        deadline, pause = time.monotonic() + (PATIENCE if wait else 0), SHORTEST
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    return False
                time.sleep(pause)
                pause = min(2 * pause, LONGEST)
                continue
            return True

    def leave(self) -> None:
        """Let others have it."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close the file, and with it let go of the lock."""
        os.close(self._descriptor)


# less than what a step of the log's own may take, so that who waits hears this
PATIENCE = 8
SHORTEST, LONGEST = 0.0001, 0.005
