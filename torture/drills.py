"""Backup, destroy, restore, compare: rooms of random content, from and to either database.

A room gets random classes, keys, versions, ways in and messages, and now and then a new root. It is backed up, destroyed with
its keystore, restored with one of its secrets into another place or database, and has to be in the same state and decrypt
everything. Share sets are tried one by one.
"""

from __future__ import annotations

import argparse
import itertools
import random
import secrets
import shutil
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import strongroom
from strongroom.errors import BadPassphrase, StrongroomError
from strongroom.home import NewWay, Unlock
from strongroom.recovery import create_backup, restore_backup, verify_backup

from torture.place import Place, new_place
from torture.postgres import Server, new_server
from torture.report import Report

PROMISE = "a room that was destroyed comes back in the same state, on either database, with any of its secrets"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the defaults take some seconds, a hundred drills a minute or two."""
    parser.add_argument("--drills", type=int, default=6, metavar="N", help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """As many drills as asked for, in turn on SQLite and PostgreSQL, from and to."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("drills", PROMISE, notes=[f"--seed {seed}"])
    times = Times()
    with new_server() as server:
        for number in range(options.drills):
            dice = random.Random(f"{seed} {number}")
            source, target = DATABASES[number % len(DATABASES)]
            with new_place(options.dir, with_room=False) as place:
                report.count(f"{source} to {target}")
                found = list(Drill(place, server, dice, source, target, times).complaints())
                report.found += [f"drill {number}, {source} to {target}: {complaint}" for complaint in found]
        with new_place(options.dir, with_room=False) as place:
            quorum(place, report)
            control(place, server, random.Random(seed), report)
    report.notes += times.lines()
    return report


@dataclass
class Times:
    """Seconds of each part, over all drills."""

    back: list[float] = field(default_factory=list)
    check: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Median and worst."""
        parts = {"backup create": self.back, "backup verify": self.check, "backup restore (RTO)": self.again}
        return [
            f"{name}: median {statistics.median(seconds):.3f} s, worst {max(seconds):.3f} s"
            for name, seconds in parts.items()
            if seconds
        ]


class Drill:
    """One room, from its making to its return."""

    def __init__(
        self, place: Place, server: Server, dice: random.Random, source: str, target: str, times: Times
    ) -> None:
        self.place, self.dice, self.times = place, dice, times
        self.file = place.folder / "backup"
        self.source_url = server.new_url() if source == "PostgreSQL" else None
        self.target_url = server.new_url() if target == "PostgreSQL" else None
        self.server = server
        self.ways: list[Unlock] = []
        self.messages: dict[bytes, bytes] = {}

    def complaints(self) -> Iterator[str]:
        """What went wrong."""
        self.make()
        with strongroom.open(self.place.room, key_file=self.place.key) as room:
            self.fill(room)
            start = time.perf_counter()
            made = create_backup(room, self.file)
            self.times.back.append(time.perf_counter() - start)
            # what is made after it is lost, and nothing else
            late = room.keys.create("default").id
        self.destroy()
        unlock = self.dice.choice(self.ways)
        start = time.perf_counter()
        verify_backup(self.file, self.place.folder / "none", unlock)
        self.times.check.append(time.perf_counter() - start)
        start = time.perf_counter()
        done = restore_backup(self.file, self.place.room, unlock, keystore=self.target_url)
        self.times.again.append(time.perf_counter() - start)
        if done.state != made.state or done.room_epoch <= made.epoch:
            yield f"state {done.state} at epoch {done.room_epoch}, and it was {made.state} at {made.epoch}"
        for way in self.ways:
            yield from self.wrong(way, made.state, late)

    def make(self) -> None:
        """A room that opens in several ways."""
        kit, shares = self.place.folder / "kit", self.place.folder / "shares"
        strongroom.init(
            self.place.room,
            make_key_file=self.place.key,
            recovery_file=kit,
            quorum=(2, 3),
            share_directory=shares,
            keystore=self.source_url,
        )
        picked = self.dice.sample(sorted(shares.iterdir()), 2)
        self.ways = [Unlock(key_file=self.place.key), Unlock(recovery_file=kit), Unlock(share_files=picked)]

    def fill(self, room: strongroom.Room) -> None:
        """Random classes, keys, versions and messages."""
        for number in range(self.dice.randrange(1, 5)):
            room.classes.create(f"class-{number}", frame_length=self.dice.randrange(1, 1 << 20))
        for _ in range(self.dice.randrange(5, 25)):
            name = self.dice.choice(room.classes.list()).name
            match self.dice.choice(["encrypt", "encrypt", "rotate", "create", "way", "root"]):
                case "encrypt":
                    plain = self.dice.randbytes(self.dice.randrange(100))
                    self.messages[room.encrypt(plain, data_class=name)] = plain
                case "rotate":
                    room.keys.rotate(room.classes.show(name).key_id)
                case "create":
                    room.keys.create(name)
                case "way":
                    path = self.place.folder / f"key-{secrets.token_hex(4)}"
                    room.ways.add(NewWay(make_key_file=path))
                    self.ways.append(Unlock(key_file=path))
                case "root":
                    every = Unlock(share_files=sorted((self.place.folder / "shares").iterdir()))
                    room.root.rotate(also=[*self.ways[1:2], *self.ways[3:], every])

    def destroy(self) -> None:
        """Room, keystore, and what this host remembers, the last only sometimes."""
        shutil.rmtree(self.place.room)
        if self.source_url is not None:
            schema = self.server.sql("SELECT current_schema()", url=self.source_url)[0][0]
            self.server.sql(f"DROP SCHEMA {schema} CASCADE")
        if self.dice.random() < FORGOTTEN:
            shutil.rmtree(self.place.state)
            self.place.state.mkdir()

    def wrong(self, way: Unlock, state: str, late: str) -> Iterator[str]:
        """What is wrong with the room as it came back."""
        try:
            with strongroom.Room(self.place.room, way) as room:
                if room.export().dump.digest != state:
                    yield "opened, it is in another state"
                if late in {key.id for key in room.keys.list()}:
                    yield "it has a key that was made after the backup"
                if room.decrypt_many(list(self.messages)) != list(self.messages.values()):
                    yield "a message decrypts to something else"
        except StrongroomError as error:
            yield f"it does not open or decrypt: {error!r}"


def quorum(place: Place, report: Report) -> None:
    """All sets of 3 of 5 shares, and all of 2."""
    home, folder = place.folder / "quorum", place.folder / "shares-of-five"
    made = strongroom.init(home, quorum=(3, 5), share_directory=folder, recovery=False)
    for size in (2, 3):
        for chosen in itertools.combinations(made.share_files, size):
            opens = True
            try:
                strongroom.Room(home, Unlock(share_files=chosen)).close()
            except BadPassphrase:
                opens = False
            report.count(f"sets of {size} of 5 shares {'that open' if opens else 'that do not'}")
            if opens != (size == 3):
                report.found.append(f"{[path.name for path in chosen]}: opens: {opens}")
    shutil.rmtree(home)


def control(place: Place, server: Server, dice: random.Random, report: Report) -> None:
    """A restored room that lost a version, and one whose message is another's."""
    drill = Drill(place, server, dice, "SQLite", "SQLite", Times())
    list(drill.complaints())
    way = drill.ways[0]
    with strongroom.Room(place.room, way) as room:
        state = room.export().dump.digest
        room.keys.rotate(room.keys.list()[0].id)
    report.controls["a room in another state"] = any(drill.wrong(way, state, "none"))
    with strongroom.Room(place.room, way) as room:
        state = room.export().dump.digest
    with strongroom.Room(place.room, way) as room:
        drill.messages[room.encrypt(b"one")] = b"another"
    report.controls["a message that decrypts to something else"] = any(drill.wrong(way, state, "none"))


DATABASES = (
    ("SQLite", "SQLite"),
    ("PostgreSQL", "SQLite"),
    ("SQLite", "PostgreSQL"),
    ("PostgreSQL", "PostgreSQL"),
)
FORGOTTEN = 0.5
