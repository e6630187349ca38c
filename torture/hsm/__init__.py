"""Tokens that are shared, forked, faulty, hung, gone, emptied and back: right results or the right error, in time, and none tried too often.

Threads and processes wrap and unwrap on SoftHSM and opencryptoki; a long run is looked at for memory and sessions that grow. A module is
begun anew again and again while threads use it. Every fault that is known of modules is provoked, through a module between or in the
token's own files. A room with two tokens loses one, then both, while it works. Logins are counted.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from torture.hsm.faults import provoke
from torture.hsm.pins import count_logins
from torture.hsm.redundancy import LOSSES, lose_tokens
from torture.hsm.renewals import begin_anew
from torture.hsm.trial import Trial
from torture.hsm.trips import run_long, share_by_processes, share_by_threads
from torture.report import Report
from torture.tokens import Proxy, new_softhsm, proxy_module

PROMISE = "a token's faults end in the right error, in time, and pass; no call fails while one token lives, no PIN is tried twice"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the defaults take half a minute."""
    parser.add_argument("--parts", nargs="+", choices=tuple(PARTS), default=tuple(PARTS), help="default: all")
    parser.add_argument("--trips", type=int, default=20, metavar="N", help="of each thread and process (default: 20)")
    parser.add_argument("--processes", type=int, default=8, metavar="N", help="forked, and spawned (default: 8)")
    parser.add_argument("--calls", type=int, default=4000, metavar="N", help="of the long run (default: 4000)")
    parser.add_argument("--losses", nargs="+", choices=tuple(LOSSES), default=tuple(LOSSES), help="default: all")
    parser.add_argument(
        "--seconds", type=float, default=1, metavar="S", help="with one token lost, and of renewals (default: 1)"
    )


def run(options: argparse.Namespace) -> Report:
    """Every part that was asked for, at tokens of its own."""
    report = Report("hsm", PROMISE)
    for part in options.parts:
        with at_tokens(options, report) as trial:
            PARTS[part](trial)
    return report


@contextmanager
def at_tokens(options: argparse.Namespace, report: Report) -> Iterator[Trial]:
    """SoftHSM in a folder of its own, in memory where there is one: it writes at each login."""
    parent = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="torture-hsm-", dir=parent if parent.is_dir() else None) as name:
        folder = Path(name)
        proxy = Proxy(proxy_module(), folder / "rules", folder / "calls")
        proxy.does()
        softhsm = new_softhsm(folder)
        os.environ |= {
            "SOFTHSM2_CONF": str(softhsm.settings),
            "STRONGROOM_STATE": str(folder / "state"),
            **proxy.variables,
        }
        with ExitStack() as closing:
            yield Trial(options, report, folder, softhsm, proxy, closing)


PARTS: dict[str, Callable[[Trial], None]] = {
    "threads": share_by_threads,
    "processes": share_by_processes,
    "long": run_long,
    "renewals": begin_anew,
    "faults": provoke,
    "redundancy": lose_tokens,
    "pins": count_logins,
}
