"""Turns at what all of the machine shares."""

from __future__ import annotations

import fcntl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn_at_opencryptoki() -> Iterator[None]:
    """Wait until no other process tries anything on opencryptoki's token: it counts the wrong PINs of all of them."""
    with Path(tempfile.gettempdir(), "strongroom-opencryptoki.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
