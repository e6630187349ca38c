"""What the audit log costs: `python -m benches.audit [writers] [verify] [memory] [job] [--dir DIR]`, all parts if none is named.

writers   durable events a second and how long each waits, with 1, 8 and 64 threads, in turns with a bare loop of append and fdatasync
verify    verification of a log against a loop of SHA-256 over its entries
memory    what verification, export and appending keep resident, for 100,000 and 1,000,000 entries
job       encryption in a room against the same with a sink that does nothing: large buffers, and small messages by a cached key

Choose a directory on the disk that you mean: a file system in memory has no fdatasync to speak of.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strongroom.audit import AuditLog, Denied, Event, Tree, Verifier, Who, entries
from strongroom.audit.checkpoint import EMPTY
from strongroom.audit.verifying import verify_log
from strongroom.client.room import Room
from strongroom.crypto import MacKey
from strongroom.home import Unlock, open_room
from strongroom.materials.room import RoomMaterials
from strongroom.model import Request

from benches.reencrypt import peak
from benches.trees import make_room

MIB = 1 << 20
WRITERS = (1, 8, 64)
SIZES = (100_000, 1_000_000)
OF_HASHING, OF_BULK, OF_SMALL, GROWTH = 0.6, 0.98, 0.9, 1.1


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.audit", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--dir", type=Path, default=None)
    parser.add_argument(
        "--seconds", type=float, default=2.0, help="of each row and round of writers and job (default: 2)"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--entries", type=int, nargs="+", default=SIZES, help="in the logs of verify (the first) and memory"
    )
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "FOLDER", "ENTRIES"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, folder, count = options.child
        print(child(what, Path(folder), int(count)))
        return
    report: dict[str, object] = {}
    for name in options.parts or PARTS:
        with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-audit-") as folder:
            report[name] = PARTS[name](Path(folder), options)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


# --- writers ---------------------------------------------------------------------------------------------------------


def writers(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Events a second and their waits, of each number of threads and of the bare loop, in turns."""
    rows: dict[str, list[list[float]]] = {}
    for _ in range(options.rounds):
        rows.setdefault("bare append + fdatasync", []).append(bare(folder / "bare", options.seconds))
        for count in WRITERS:
            rows.setdefault(f"{count} writers", []).append(recorded(folder / f"log-{count}", count, options.seconds))
    rates = {name: [len(waits) / options.seconds for waits in rounds] for name, rounds in rows.items()}
    floor = rates["bare append + fdatasync"]
    report: dict[str, Any] = {}
    for name, rounds in rows.items():
        waits = sorted(wait for waits in rounds for wait in waits)
        report[name] = {
            "events_per_second": statistics.median(rates[name]),
            "of_bare": statistics.median(rate / bare for rate, bare in zip(rates[name], floor, strict=True)),
            "p50_us": 1e6 * waits[len(waits) // 2],
            "p99_us": 1e6 * waits[len(waits) * 99 // 100],
        }
        print(
            "{:24} {events_per_second:9,.0f} /s {of_bare:6.2f} of bare, p50 {p50_us:7,.0f} µs, p99 {p99_us:8,.0f} µs".format(
                name, **report[name]
            )
        )
    return report


def bare(path: Path, seconds: float) -> list[float]:
    """How long each append and fdatasync took, of entries of the same size."""
    line = denied(0).line()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def append() -> None:
        os.write(descriptor, line)
        os.fdatasync(descriptor)

    try:
        return repeated(append, time.perf_counter() + seconds)
    finally:
        os.close(descriptor)


def recorded(folder: Path, count: int, seconds: float) -> list[float]:
    """How long each event took to become durable, of so many threads."""
    folder.mkdir(mode=0o700, exist_ok=True)
    log = AuditLog(folder, "bench")
    waits: list[list[float]] = []
    end = time.perf_counter() + seconds
    threads = [
        threading.Thread(target=lambda: waits.append(repeated(lambda: log.record(denied(0)), end)))
        for _ in range(count)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    return [wait for each in waits for wait in each]


def repeated(call: Callable[[], None], end: float) -> list[float]:
    """How long each call took, until the end."""
    waits = []
    while (start := time.perf_counter()) < end:
        call()
        waits.append(time.perf_counter() - start)
    return waits


# --- verification ------------------------------------------------------------------------------------------------------


def verify(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Verification of a whole log against SHA-256 over its entries, in turns: both read the same bytes."""
    count = options.entries[0]
    verifier = made(folder, count)
    lines = list(entries(folder))
    ours, hashing = [], []
    for _ in range(options.rounds):
        start = time.perf_counter()
        verify_log(folder, verifier)
        middle = time.perf_counter()
        for line in lines:
            hashlib.sha256(line).digest()
        ours.append(count / (middle - start))
        hashing.append(count / (time.perf_counter() - middle))
    ratio = statistics.median(one / other for one, other in zip(ours, hashing, strict=True))
    print(
        f"verify {count:,} entries: {statistics.median(ours):,.0f} /s, SHA-256 loop {statistics.median(hashing):,.0f} /s:"
        f" {ratio:.2f}, aim {OF_HASHING}: {'held' if ratio >= OF_HASHING else 'missed'}"
    )
    return {"entries": count, "verified": statistics.median(ours), "hashed": statistics.median(hashing), "ratio": ratio}


def made(folder: Path, count: int) -> Verifier:
    """A log of so many entries, under a key of its own."""
    notary = OwnNotary()
    log = AuditLog(folder, "bench", notary)
    first = denied(0).line()
    for start in range(0, count, PART):
        part = range(start, min(count, start + PART))
        log.send([first.replace(b'"why":"no 0"', b'"why":"no %d"' % number) for number in part])
        log.head()
    log.close()
    return notary.verifier


class OwnNotary:
    """Signs, and remembers in memory."""

    def __init__(self) -> None:
        self.key = MacKey.generate().log_key(b"log")
        self.verifier = Verifier("bench/log", self.key.public_key())
        self.tree = EMPTY

    def sign(self, text: bytes) -> bytes:
        """See Notary.sign."""
        return self.key.sign(text)

    def remembered(self) -> Tree:
        """See Notary.remembered."""
        return self.tree

    def remember(self, before: Tree, after: Tree) -> None:
        """See Notary.remember."""
        self.tree = after


def memory(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """The most that a process keeps resident while it verifies, reads and appends to logs of growing size."""
    report: dict[str, object] = {}
    for what in ("append", "verify", "read"):
        peaks = {}
        for count in options.entries:
            log = folder / str(count)
            if what == "append":
                log.mkdir(mode=0o700)
            command = [sys.executable, "-m", "benches.audit", "--child", what, str(log), str(count)]
            peaks[count] = int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        growth = peaks[options.entries[-1]] / peaks[options.entries[0]]
        held = growth <= GROWTH
        print(
            f"{what:7} "
            + ", ".join(f"{count:,} entries {peak / MIB:.0f} MiB" for count, peak in peaks.items())
            + f": {growth:.2f}, aim {GROWTH}: {'held' if held else 'missed'}"
        )
        report[what] = {"peaks": peaks, "growth": growth, "held": held}
    return report


def child(what: str, folder: Path, count: int) -> float:
    """Do one thing with a log, and give the peak of this process in bytes."""
    if what == "append":
        (folder / "key").write_text(str(made(folder, count)))
    elif what == "verify":
        verify_log(folder, Verifier.parse((folder / "key").read_text()))
    elif sum(1 for _ in entries(folder)) != count:
        raise RuntimeError("entries are missing")
    return peak()


# --- the main job ------------------------------------------------------------------------------------------------------


def job(folder: Path, options: argparse.Namespace) -> dict[str, object]:
    """Calls a second in a room with its log, of those with a sink that does nothing, in turns."""
    with make_room(folder) as logged, null_sink(folder) as silent:
        report: dict[str, object] = {}
        data = bytes(64 * MIB)
        out = bytearray(logged.encrypted_size(len(data)))
        bulk = lambda room: room.encrypt_into(data, out)  # noqa: E731 - beside the other
        small = lambda room: room.encrypt(b"x" * 64)  # noqa: E731 - beside the other
        for name, call, aim in (("64 MiB buffers", bulk, OF_BULK), ("messages of 64 B", small, OF_SMALL)):
            ratios = []
            for _ in range(options.rounds):
                rates = [rate(call, room, options.seconds) for room in (logged, silent)]
                ratios.append(rates[0] / rates[1])
            ratio = statistics.median(ratios)
            print(
                f"{name}: {ratio:.3f} of the same with a null sink ({min(ratios):.3f} to {max(ratios):.3f}), aim {aim}:"
                f" {'held' if ratio >= aim else 'missed'}"
            )
            report[name] = {"ratio": ratio, "all": ratios, "aim": aim}
    return report


def rate(call: Callable[[Room], object], room: Room, seconds: float) -> float:
    """Calls a second."""
    count, start = 0, time.perf_counter()
    while time.perf_counter() - start < seconds:
        call(room)
        count += 1
    return count / (time.perf_counter() - start)


@contextmanager
def null_sink(folder: Path) -> Iterator[Room]:
    """The same room with a sink that does nothing."""
    service = open_room(folder / "home", Unlock(key_file=folder / "key"))
    service._sink.close()  # noqa: SLF001 - what no room is opened with
    service._sink = NullSink()  # type: ignore[assignment]  # noqa: SLF001 - the same
    with Room(folder / "home", _shared=(service, RoomMaterials(service))) as room:
        yield room
    service.close()


class NullSink:
    """Takes everything and keeps nothing."""

    def record(self, event: Event) -> None:
        """See Sink.record."""

    def note(self, event: Event) -> None:
        """See Sink.note."""

    def send(self, lines: Sequence[bytes]) -> None:
        """See Sink.send."""

    def close(self) -> None:
        """See Sink.close."""


PARTS: dict[str, Callable[[Path, argparse.Namespace], dict[str, object]]] = {
    "writers": writers,
    "verify": verify,
    "memory": memory,
    "job": job,
}
PART = 10_000


def denied(number: int) -> Denied:
    """An event of usual size."""
    return Denied(who=WHO, action="decrypt", data_class="default", key_id=None, version=None, why=f"no {number}")


WHO = Who.of(Request("bench", "audit", "so that there is something to record"), "bench")

if __name__ == "__main__":
    main()
