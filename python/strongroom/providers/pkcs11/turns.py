"""Places for so many at a time, given in the order in which they were asked for.

A semaphore lets whoever comes overtake those who wait: with a busy thread for each place and more beside, one may wait for ever.
"""

from __future__ import annotations

import threading
from collections import deque


class Turns:
    """So many places. Thread-safe."""

    def __init__(self, places: int) -> None:
        self._lock = threading.Lock()
        self._free = places
        self._queue: deque[threading.Lock] = deque()

    def take(self, timeout: float) -> bool:
        """Take a place, to be given back, or be told that none was free in time."""
        with self._lock:
            if self._free:
                self._free -= 1
                return True
            turn = threading.Lock()
            turn.acquire()
            self._queue.append(turn)
        if turn.acquire(timeout=timeout):
            return True
        with self._lock:
            # it may have been given in this very moment
            if turn not in self._queue:
                return True
            self._queue.remove(turn)
            return False

    def give_back(self) -> None:
        """Give it to whoever has waited longest."""
        with self._lock:
            if self._queue:
                self._queue.popleft().release()
            else:
                self._free += 1
