"""Processes that use a room at random and are killed: whatever released a key is in the log, and log and keystore agree.

Each process says which leases it was given, which is more than the room knows of itself: after a kill every one of them must have its
entry. At the end `audit reconcile` must find nothing, and what was planted.
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.audit import LeaseOpened, entries
from strongroom.audit.tiles import TILE, bundle, bundle_name
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AuditTampered
from strongroom.home import Unlock, open_room
from strongroom.model import Request

from torture.place import Place, new_place
from torture.postgres import new_server
from torture.report import Report

PROMISE = "no key is released without its entry, no acknowledged entry is lost, and what is missing is named"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the default takes a minute, 10,000 operations some more."""
    parser.add_argument("--operations", type=int, default=400, metavar="N", help="in all (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=8, metavar="N", help="at once (default: %(default)s)")
    parser.add_argument(
        "--kills", type=int, default=12, metavar="N", help="of processes, by SIGKILL (default: %(default)s)"
    )
    parser.add_argument("--database", choices=("sqlite", "postgres"), default="sqlite", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """Use the room as often as asked for, and reckon up."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("completeness", PROMISE, notes=[f"--seed {seed}, {options.database}"])
    with place_on(options.database, options.dir) as place:
        crew = Crew(place, random.Random(seed), report)
        crew.work(options.operations, options.processes, options.kills)
        reckon(place, crew.released, report)
        controls(place, crew.released, report)
    return report


@contextmanager
def place_on(database: str, parent: Path | None) -> Iterator[Place]:
    """A place with a room on that database."""
    if database == "sqlite":
        with new_place(parent) as place:
            yield place
        return
    with new_server() as server, new_place(parent, server=server) as place:
        yield place


class Crew:
    """Processes at work, each of which says what it was given."""

    def __init__(self, place: Place, dice: random.Random, report: Report) -> None:
        self._place = place
        self._dice = dice
        self._report = report
        self._folder = place.folder / "said"
        self._folder.mkdir()
        self._number = 0
        self.released: set[str] = set()

    def work(self, operations: int, processes: int, kills: int) -> None:
        """So many operations by so many processes, of which so many are killed on the way."""
        running: list[subprocess.Popen[bytes]] = []
        killed = 0
        # more operations than wanted, if fewer processes than wanted were at work when they were to be killed
        while (
            (left := operations - self._done()) > 0
            or killed < kills
            or any(worker.poll() is None for worker in running)
        ):
            if len(self._report.found) >= ENOUGH:
                break
            running = [worker for worker in running if not self._has_ended(worker)]
            while (left > 0 or killed < kills) and len(running) < processes:
                running.append(self._start(max(LEAST, left // processes)))
            time.sleep(self._dice.uniform(0.02, 0.3))
            if killed < kills and operations - left > killed * operations // (kills + 1):
                worker = self._dice.choice(running)
                worker.kill()
                killed += worker.wait() == -signal.SIGKILL
        self._report.count("processes killed", killed)
        self._gather()

    def _start(self, count: int) -> subprocess.Popen[bytes]:
        self._number += 1
        said = (self._folder / str(self._number)).open("wb")
        command = [sys.executable, "-c", WORKER, str(self._place.room), str(self._place.key)]
        command += [str(self._dice.randrange(2**32)), str(count)]
        with said:
            return subprocess.Popen(command, stdout=said, env=self._place.environment(), cwd=self._place.folder)

    def _has_ended(self, worker: subprocess.Popen[bytes]) -> bool:
        code = worker.poll()
        if code not in {None, 0, -9}:
            self._report.found.append(f"a process ended with {code}")
        return code is not None

    def _done(self) -> int:
        return sum(path.read_bytes().count(b"\n") for path in self._folder.iterdir())

    def _gather(self) -> None:
        for path in self._folder.iterdir():
            # a last line without its end was being written when the process was killed
            for line in path.read_text().split("\n")[:-1]:
                kind, _, lease = line.partition(": ")
                self._report.count(kind)
                if lease:
                    self.released.add(lease)


def opened(place: Place) -> set[str]:
    """The leases that the log knows."""
    told = map(json.loads, entries(place.room / "audit"))
    return {entry["lease"] for entry in told if entry["event"] == "lease-opened"}


def upkeep(place: Place) -> Upkeep:
    """The room, examined as its owner does."""
    return Upkeep(place.room, Unlock(key_file=place.key), principal=None, purpose=None)


def reckon(place: Place, released: set[str], report: Report) -> None:
    """Compare log and keystore, and the log with what the processes were given."""
    open_room(place.room, Unlock(key_file=place.key)).close()
    missing = released - opened(place)
    report.found.extend(f"lease {lease} was released, and the log does not know it" for lease in sorted(missing))
    found = upkeep(place).reconcile()
    report.found.extend(found.wrong)
    report.notes.append(f"{found.entries:,} entries, {found.leases:,} leases, {found.changes:,} changes of keys")


def controls(place: Place, released: set[str], report: Report) -> None:
    """What is missing is named: a lease that nobody logged, one that only its holder knows, an entry that was removed."""
    report.controls["a lease that only its holder knows"] = bool({*released, "f" * 32} - opened(place))
    lease = unlogged(place)
    report.controls["a lease that was kept out of the log"] = any(
        lease in line for line in upkeep(place).reconcile().wrong
    )
    removed(place)
    for name, look in (("verify", upkeep(place).verify_audit), ("reconcile", upkeep(place).reconcile)):
        try:
            look()
            seen = False
        except AuditTampered:
            seen = True
        report.controls[f"an entry that was removed, by {name}"] = seen


def unlogged(place: Place) -> str:
    """A lease whose beginning is not told, and whose end is."""
    service = open_room(place.room, Unlock(key_file=place.key))
    record = service._sink.record
    service._sink.record = lambda event: None if isinstance(event, LeaseOpened) else record(event)  # type: ignore[method-assign]
    lease = service.generate_dek(Request("torture", "control", ""), "default", {"strongroom-class": "default"}).lease
    service.close_lease(lease, 1, 1, "ended")
    service.close()
    return lease.id


def removed(place: Place) -> None:
    """An entry is gone from the first bundle."""
    folder = place.room / "audit"
    size = int((folder / "checkpoint").read_bytes().split(b"\n")[1])
    width = min(TILE, size)
    kept = bundle(folder, 0, width)
    del kept[width // 2]
    packed = b"".join(len(entry).to_bytes(2, "big") + entry for entry in kept)
    (folder / bundle_name(0, width)).write_bytes(packed)


ENOUGH = 10
LEAST = 8
WORKER = """
import random, sys
from strongroom.errors import AccessDenied, KeyChanged, KeyNotFound
from strongroom.home import Unlock, open_room
from strongroom.model import Request
from strongroom.policy import OwnerPolicy
home, key, seed, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
dice, held, known = random.Random(seed), [], []
def say(words):
    # one write, so that a kill leaves whole lines or none
    sys.stdout.buffer.write(words.encode() + b"\\n"); sys.stdout.buffer.flush()
service = open_room(home, Unlock(key_file=key))
us = Request(service._snapshot().owner, "torture", "at random")
def context():
    return {"strongroom-class": "default", "number": str(dice.randrange(1000))}
def generate():
    pairs = context()
    made = service.generate_dek(us, "default", pairs)
    held.append(made.lease); known.append((made.edk, pairs))
    say("generated: " + made.lease.id)
def unwrap():
    if not known: return generate()
    edk, pairs = dice.choice(known)
    found = service.unwrap_dek(us, [edk], pairs)
    held.append(found.lease)
    say("unwrapped: " + found.lease.id)
def close():
    if not held: return generate()
    service.close_lease(held.pop(), dice.randrange(9), dice.randrange(999), "ended"); say("closed")
def rotate():
    try: service.rotate(us, service.describe(us).keys[0].id); say("rotated")
    except KeyChanged: say("not rotated, since another was faster")
def denied():
    policy, service._policy = service._policy, OwnerPolicy("somebody else", "mallory")
    try: service.generate_dek(us, "default", context())
    except AccessDenied: say("denied")
    finally: service._policy = policy
def failed():
    try: service.generate_dek(us, "nothing", {"strongroom-class": "nothing"})
    except KeyNotFound: pass
    say("failed")
for _ in range(count):
    dice.choices([generate, unwrap, close, rotate, denied, failed], [40, 25, 20, 2, 5, 5])[0]()
service.close()
"""
