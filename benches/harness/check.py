"""Runs what is gated, and says what misses; noise gets another try, a slowdown does not get away with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from benches.harness.run import Scope, run
from benches.harness.targets import Verdict, judge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from benches.harness.report import Report
    from benches.harness.row import Group
    from benches.harness.targets import Target

ROUNDS = (5, 9, 15)
"""Rounds of each try: what misses is measured again, more thoroughly."""
LAST_TRY = 300
"""Seconds after which no other try begins."""


def check(sources: Iterable[Callable[[Scope], Iterator[Group]]], targets: Sequence[Target]) -> list[Verdict]:
    """The best verdict of all tries for each gated target: noise makes us look slower, never faster than we are.

    Each try is judged by its rounds and by the fastest samples of its rows, which noise has spared; a slowdown is in both.
    """
    sources = list(sources)
    best: dict[Target, Verdict] = {}
    waiting = [target for target in targets if target.gate]
    start = time.monotonic()
    for rounds in ROUNDS:
        report = measure(sources, waiting, rounds)
        for verdict in (*judge(waiting, report), *judge(waiting, report.fastest())):
            best[verdict.target] = better(best.get(verdict.target), verdict)
        waiting = [target for target, verdict in best.items() if not verdict.met]
        if not waiting or time.monotonic() - start > LAST_TRY:
            break
    return list(best.values())


def measure(sources: list[Callable[[Scope], Iterator[Group]]], targets: Sequence[Target], rounds: int) -> Report:
    """The groups that these targets need, and no peer that they do not."""
    only = tuple({target.group.replace("[", "[[]") for target in targets})
    peers = frozenset(target.peer for target in targets if target.peer)
    return run(sources, Scope(only=only, rounds=rounds, peers=peers))


def better(known: Verdict | None, new: Verdict) -> Verdict:
    """The one that saw more."""
    if known is None or known.seen is None:
        return new
    return new if new.seen is not None and new.seen.median > known.seen.median else known


def lines(verdicts: Iterable[Verdict]) -> Iterator[str]:
    """What to print of them."""
    for verdict in verdicts:
        mark = "met   " if verdict.met else "MISSED"
        seen = f"{verdict.seen.median:.3g}" if verdict.seen else "not measured"
        yield f"{mark} {verdict.target.name}: {seen}"
        if not verdict.met:
            yield f"       why it is promised: {verdict.target.reason}"
