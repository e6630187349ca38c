"""Instructions and allocations of our own code for each run of frames and each message, against `[counts]` in `TARGETS.toml`.

`python -m benches.counts [--json FILE] [--update]`. Time is not measured, so the machine need not be quiet, and the same build gives
the same counts on every processor: see `callgrind.py` for what is counted, and `plant.py` for the proof.
"""

from __future__ import annotations

from typing import Any

from benches.counts.count import CannotCount, Count, measure
from benches.counts.recorded import Miss, compare

__all__ = ["CannotCount", "Count", "Miss", "check"]


def check(targets: dict[str, Any]) -> list[Miss]:
    """Builds, counts, and says what differs from `targets["counts"]`; `CannotCount` if that is not possible here."""
    return compare(targets, measure())
