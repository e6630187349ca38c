"""From a pipe into a pipe: `cat FILE | PROGRAM | cat > /dev/null`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import crypto

from benches.groups.files import available
from benches.harness.row import Group, Row, clocked
from benches.peers import age, gpg, openssl
from benches.peers.command import Command
from benches.peers.file import Workplace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.harness.run import Scope

NAME = "streams/pipe to pipe/1 GiB"
SIZE = 1 << 30
CHILD = (sys.executable, str(Path(__file__).with_name("stream_child.py")))
OURS = Command("strongroom", (*CHILD, "encrypt"), (*CHILD, "decrypt"), ready=True)
CAT = Command("cat", ("cat",), ("cat",))


def groups(scope: Scope) -> Iterator[Group]:
    """Both ways; what goes in stands in a file in memory."""
    sides = [side for side in ("encrypt", "decrypt") if scope.wants(f"{NAME}/{side}")]
    if not sides:
        return
    with tempfile.TemporaryDirectory(dir=scope.folder) as folder:
        work = Workplace(Path(folder), SIZE)
        commands = [OURS, *available(scope, Path(folder), (age.peer, openssl.peer, gpg.peer))]
        for command in commands:
            work.check(command.on_files())
        for side in sides:
            rows = [row(work, CAT, side, "floor"), *limit(side), row(work, OURS, side, "strongroom")]
            rows += [row(work, command, side) for command in commands[1:]]
            yield Group(f"{NAME}/{side}", "bytes", SIZE, CAT.name, rows, rounds=scope.rounds, once=True)


def limit(side: str) -> Iterator[Row]:
    """The cipher alone: whichever is slower, it or `cat`, is what we can reach."""
    workers = crypto.Control().workers
    job = lambda: crypto.bench_limit(64 << 10, SIZE, workers, decrypt=side == "decrypt")  # noqa: E731
    yield Row("limit", "limit", clocked(job))


def row(work: Workplace, command: Command, side: str, kind: str = "peer") -> Row:
    """One direction of a program."""
    plaintext, peer = work.plaintext(command.share), command.on_files()
    if side == "encrypt":
        clock = clocked(lambda: piped(command.seal, plaintext, ready=command.ready), work.clear)
    else:
        clock = clocked(lambda: piped(command.open, work.sealed, ready=command.ready), lambda: work.seal_anew(peer))
    return Row(command.name, kind, clock, command.share)


def piped(arguments: tuple[str, ...], source: Path, *, ready: bool) -> float:
    """Seconds from the first byte that the source may send until the last reader has ended.

    A program that says when it is ready is waited for; the others start in some milliseconds.
    """
    from_source, to_program = os.pipe()
    from_program, to_sink = os.pipe()
    errors = subprocess.PIPE if ready else subprocess.DEVNULL
    program = subprocess.Popen(arguments, stdin=from_source, stdout=to_sink, stderr=errors)
    sink = subprocess.Popen(("cat",), stdin=from_program, stdout=subprocess.DEVNULL)
    for end in (from_source, to_sink, from_program):
        os.close(end)
    if program.stderr:
        program.stderr.readline()
    start = time.perf_counter()
    feeder = subprocess.Popen(("cat", str(source)), stdout=to_program)
    os.close(to_program)
    codes = [feeder.wait(), program.wait(), sink.wait()]
    took = time.perf_counter() - start
    if program.stderr:
        program.stderr.close()
    if any(codes):
        raise AssertionError(f"{arguments[0]} failed in a pipe")
    return took
