"""Whether somebody else used the machine while we measured."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICK = 1 / os.sysconf("SC_CLK_TCK")
FOREIGN = 0.08
"""Part of the machine that others may use during a sample."""
SLOWER = 1.25
"""How much longer than its best the probe may take."""


class Watch:
    """Looks at the machine before and after a sample.

    Two things are watched: the processor time that other processes and the hypervisor took, and how long a fixed piece
    of work takes compared with its best so far, which also shows a slower clock and a neighbour in our caches.
    """

    def __init__(self) -> None:
        self._best = min(probe() for _ in range(50))

    def disturbed(self) -> bool:
        """Whether a fixed piece of work takes longer than it should."""
        took = min(probe() for _ in range(3))
        self._best = min(self._best, took)
        return took > SLOWER * self._best

    def wait(self, patience: float = 3.0) -> None:
        """Waits for a quiet machine, not for ever."""
        end = time.monotonic() + patience
        while self.disturbed() and time.monotonic() < end:
            time.sleep(0.05)


def foreign(start: tuple[float, float, float], end: tuple[float, float, float]) -> float:
    """The part of the machine that others used between two readings of `usage`."""
    wall = end[0] - start[0]
    others = (end[1] - start[1]) - (end[2] - start[2])
    return max(0.0, others - 2 * TICK) / (wall * (os.cpu_count() or 1)) if wall > 0 else 0.0


def usage() -> tuple[float, float, float]:
    """Seconds now, processor seconds used on the whole machine (stolen ones too), and by us and our children."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    own = os.times()
    mine = own.user + own.system + own.children_user + own.children_system
    return time.monotonic(), (user + nice + system + irq + softirq + steal) * TICK, mine


def probe() -> float:
    """Seconds that a fixed piece of work takes: about a tenth of a millisecond."""
    start = time.perf_counter()
    sum(range(10_000))
    return time.perf_counter() - start
