"""Threads, forks, workers, cancelled coroutines, interrupts: no wrong result, and no data key used more than it may be.

64 threads share a room and its cache while a signal handler uses it too; children are forked from a busy process; workers
open a pickled room; coroutines are cancelled and large calls interrupted at random instants. Every message of every
process is booked: no message id twice, and no data key over the limits of its class. A content key comes from data key and
message id, and counts its own nonces, so no (key, nonce) repeats either.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import secrets
from collections.abc import Callable
from pathlib import Path

from torture.concurrency.books import Books
from torture.concurrency.classes import make_classes
from torture.concurrency.coroutines import cancel_coroutines
from torture.concurrency.forks import fork_busy
from torture.concurrency.interrupts import JOBS, interrupt_calls
from torture.concurrency.rebuilt import rebuild_without_checks
from torture.concurrency.threads import share_room
from torture.concurrency.trial import Trial
from torture.concurrency.workers import open_pickled
from torture.place import new_place
from torture.report import Report

PROMISE = "every result is right, no message id or data key is overused, no key is of zeros, and an interrupt is heard"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the defaults take half a minute."""
    parser.add_argument("--parts", nargs="+", choices=sorted(PARTS), default=sorted(PARTS), help="default: all")
    parser.add_argument("--seconds", type=float, default=5, metavar="S", help="for the threads (default: %(default)s)")
    for name, default, what in COUNTS:
        parser.add_argument(f"--{name}", type=int, default=default, metavar="N", help=f"{what} (default: {default})")
    parser.add_argument("--calls", nargs="+", choices=sorted(JOBS), default=sorted(JOBS), help="default: all kinds")
    parser.add_argument("--rebuild", action="store_true", help="also build a core without the check: minutes")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """Every part that was asked for, each in a room of its own."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("concurrency", PROMISE, notes=[f"--seed {seed}"])
    books = Books()
    for part in options.parts:
        # whoever waits for ever is shown, with all that wait for it
        faulthandler.dump_traceback_later(PATIENCE + options.seconds, exit=True)
        with new_place(options.dir) as place:
            make_classes(place)
            PARTS[part](Trial(place, random.Random(f"{seed} {part}"), options, books, report))
        faulthandler.cancel_dump_traceback_later()
    if options.rebuild:
        rebuild_without_checks(report)
    books.judge(report)
    return report


PARTS: dict[str, Callable[[Trial], None]] = {
    "threads": share_room,
    "forks": fork_busy,
    "workers": open_pickled,
    "coroutines": cancel_coroutines,
    "interrupts": interrupt_calls,
}
COUNTS = (
    ("threads", 64, "in one room"),
    ("forks", 40, "of a busy process"),
    ("workers", 8, "spawned"),
    ("cancels", 60, "of coroutines"),
    ("interrupts", 4, "of each kind of call"),
    ("mib", 256, "in a large call"),
)
# some minutes beyond the longest part
PATIENCE = 900
