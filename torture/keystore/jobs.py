"""Commands on a keystore that are killed: `keys rotate`, `keystore move`, `keystore upgrade`."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from strongroom.errors import StrongroomError

from torture.crash.killing import End, first, progress, run
from torture.keystore.stands import Stand
from torture.report import Report
from torture.traces import temporaries


class Job(Protocol):
    """A command on a keystore that is run over and over, and what must be true whenever it was killed."""

    name: str
    stand: Stand
    midway: int
    # seconds after the beginning of its work within which it kills itself; 0: it does not
    within: float

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""

    def judge(self, end: End) -> Iterator[str]:
        """What is wrong, after a run that was killed or ended by itself."""


class RotateJob:
    """Rotations: sound after each kill, nothing acknowledged is lost, and every message decrypts."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.name = f"rotate on {stand.database}"
        self.midway = 0
        self.within = 0.0
        self.acknowledged = 0
        with stand.place.open() as room:
            self._key_id = room.keys.list()[0].id
            self._messages = [room.encrypt(b"some")]

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return started(self, "keys", "rotate", self._key_id, "--reason", "torture", "--json")

    def judge(self, end: End) -> Iterator[str]:
        """What is wrong."""
        if not end.killed and end.code != 0:
            yield f"exit code {end.code}: {end.stderr}"
        if '"primary"' in end.stdout:
            self.acknowledged = max(self.acknowledged, json.loads(end.stdout)["key"]["primary"])
        self.midway += bool(self.stand.ask("SELECT 1 FROM outbox"))
        yield from unsound(self.stand)
        yield from self._lost()

    def _lost(self) -> Iterator[str]:
        try:
            with self.stand.place.open() as room:
                key = next(key for key in room.keys.list() if key.id == self._key_id)
                if any(plain != b"some" for plain in room.decrypt_many(self._messages[-KEPT:])):
                    yield "a message decrypts to something else"
                self._messages.append(room.encrypt(b"some"))
        except StrongroomError as error:
            yield f"the room does not work: {error!r}"
            return
        versions = [version.version for version in key.versions]
        if key.primary < self.acknowledged or versions != list(range(1, key.primary + 1)):
            yield f"versions {versions}, primary {key.primary}, and {self.acknowledged} was acknowledged"


class MoveJob:
    """Moves to the other database and back: one of the two is in force, and holds what it held."""

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.name = f"move from {stand.database}"
        self.midway = 0
        self.within = 0.0
        self.moved = 0
        with stand.place.open() as room:
            self._message = room.encrypt(b"some")
        self._digest = stand.check().digest
        self._was_remote = stand.is_remote()

    def start(self) -> subprocess.Popen[str]:
        """Begin the command, towards wherever the keystore is not."""
        self._was_remote = self.stand.is_remote()
        target = str(self.stand.file) if self._was_remote else self.stand.url
        return started(self, "keystore", "move", target, "--reason", "torture")

    def judge(self, end: End) -> Iterator[str]:
        """What is wrong."""
        if not end.killed and end.code != 0:
            yield f"exit code {end.code}: {end.stderr}"
        self.midway += self._is_halfway()
        found = unsound(self.stand, self._digest)
        yield from found
        self.moved += self.stand.is_remote() is not self._was_remote
        try:
            with self.stand.place.open() as room:
                if room.decrypt(self._message) != b"some":
                    yield "a message decrypts to something else"
        except StrongroomError as error:
            yield f"the room does not work: {error!r}"
        if not end.killed and self.stand.is_remote() is self._was_remote:
            yield "the command ended, and the keystore is where it was"
        for old in self.stand.place.room.glob("keystore-*.db"):
            old.unlink()

    def _is_halfway(self) -> bool:
        """Whether the keystore that `room.json` names has gone elsewhere, or waits."""
        try:
            return self.stand.ask("SELECT 1 FROM meta WHERE moved_to IS NULL") == []
        except Exception:  # noqa: BLE001 - a file of which there is only the name
            return True


class UpgradeJob:
    """Upgrades of a room of format 1: it has one format or the other, and an upgrade goes through afterwards."""

    name = "upgrade"

    def __init__(self, stand: Stand) -> None:
        self.stand = stand
        self.midway = 0
        self.within = 0.0
        self._messages = [(FORMAT1 / f"message-{number}", b"under version %d" % number) for number in (1, 3)]
        self.prepare()

    def prepare(self) -> None:
        """A room of format 1 anew."""
        place = self.stand.place
        for folder in (place.room, place.state):
            shutil.rmtree(folder, ignore_errors=True)
        place.state.mkdir()
        shutil.copytree(FORMAT1 / "room", place.room)
        shutil.copy(FORMAT1 / "key", place.key)
        for path in (place.room, *place.room.rglob("*")):
            path.chmod(0o700 if path.is_dir() else 0o600)

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        if self._format() == NEWEST:
            self.prepare()
        return started(self, "keystore", "upgrade")

    def judge(self, end: End) -> Iterator[str]:
        """What is wrong."""
        if not end.killed and end.code != 0:
            yield f"exit code {end.code}: {end.stderr}"
        if self._format() != NEWEST:
            self.midway += end.killed
            self.within = 0.0
            again = run(self, PATIENCE)
            if again.code != 0:
                yield f"a second upgrade fails: {again.stderr}"
                return
        yield from unsound(self.stand)
        if self.stand.ask("SELECT count(*) FROM key_history") != [(13,)]:
            yield "the histories are not those of the versions that there were"
        backup = self.stand.place.room / "keystore.format-1.db"
        if not backup.exists() or backup.stat().st_mode & 0o077:
            yield "there is no private copy of the old keystore"

    def _format(self) -> object:
        ((found,),) = self.stand.ask("SELECT format FROM meta")
        return found


def started(job: Job, *arguments: str) -> subprocess.Popen[str]:
    """Begin a command that kills itself at a random instant within its work, unless `job.within` is 0."""
    return job.stand.place.launch([sys.executable, "-c", PROGRAM, str(job.within), *arguments])


def bombard(job: Job, kills: int, dice: random.Random, report: Report) -> None:
    """Kill so many runs of a job, and judge what each left.

    The work of a command is short beside the start of an interpreter. So most runs kill themselves at a random instant after
    their work has begun, the others are killed at one of their whole time.
    """
    usual = undisturbed(job)
    killed = 0
    while killed < kills and len(report.found) < ENOUGH:
        job.within = dice.choice(WITHIN)
        end = run(job, PATIENCE if job.within else dice.uniform(0, usual))
        killed += end.killed
        report.count(f"{job.name}: {'killed' if end.killed else 'finished'}")
        report.found.extend(f"{job.name}: {complaint}" for complaint in first(job.judge(end)))
        progress(job.name, killed, kills)
    job.within = 0.0
    undisturbed(job)


def undisturbed(job: Job) -> float:
    """How long a run takes that is let finish. Raises RuntimeError if it goes wrong all the same."""
    start = time.monotonic()
    end = run(job, PATIENCE)
    seconds = time.monotonic() - start
    complaints = first(job.judge(end))
    if complaints:
        raise RuntimeError(f"{job.name} does not even work undisturbed: {end} {complaints}")
    return seconds


def unsound(stand: Stand, digest: str | None = None) -> Iterator[str]:
    """What a check of the whole keystore finds, and whether it holds what it held."""
    try:
        found = stand.check()
    except StrongroomError as error:
        yield f"the keystore cannot be checked: {error!r}"
        return
    yield from found.wrong
    if digest is not None and found.digest != digest:
        yield "the keystore holds something else than before"
    yield from (f"{path} is left" for path in temporaries(stand.place.state))


def control_jobs(job: RotateJob | MoveJob, report: Report) -> None:
    """The same judge, of a keystore in which a version, or the newest edge of one, is missing."""
    sound = job.stand.rows()
    for table in ("key_versions", "key_history"):
        rows = {**sound, table: sound[table][:-1]}
        job.stand.put_back(rows)
        report.controls[f"{job.name}: a row of {table} that was lost"] = any(job.judge(DONE))
        job.stand.put_back(sound)


FORMAT1 = Path(__file__).parent.parent.parent / "tests/unit/home/format1"
NEWEST = 2
# messages that are decrypted after each kill
KEPT = 20
PATIENCE = 120.0
DONE = End(killed=False, code=0, stdout="", stderr="")
# seconds; 0: killed from outside
WITHIN = (0.0, 0.02, 0.1, 0.5)
ENOUGH = 20
# the room in the fixture belongs to somebody who is not here
PROGRAM = """
import os, random, signal, sys, threading, time
from strongroom.home import opening, upkeep
from strongroom.keystore import Keystore
within = float(sys.argv.pop(1))
for module in (upkeep, opening):
    module.os_user_beside = lambda owner: owner
def die():
    time.sleep(random.uniform(0, within))
    os.kill(os.getpid(), signal.SIGKILL)
def armed(function):
    def call(*arguments, **named):
        threading.Thread(target=die, daemon=True).start()
        return function(*arguments, **named)
    return call
if within:
    Keystore.change = armed(Keystore.change)
    upkeep.move_keystore, upkeep.upgrade_keystore = armed(upkeep.move_keystore), armed(upkeep.upgrade_keystore)
from strongroom.cli import main
main()
"""
