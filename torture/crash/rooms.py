"""The jobs over rooms: `init`, and `keys rotate`."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import strongroom
from strongroom.client.upkeep import Upkeep
from strongroom.errors import StrongroomError
from strongroom.home import Unlock, trail

from torture.crash.killing import End
from torture.place import Place
from torture.traces import FILES_OF_A_LOG, entries, temporaries


class Init:
    """`strongroom init --make-key-file`: a whole room or none, and after none a second one goes through."""

    name = "init"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.site = place.folder / "rooms"
        self.midway = 0
        self.site.mkdir()

    @property
    def home(self) -> Path:
        """Where the room is made."""
        return self.site / "made"

    def prepare(self, share: float) -> None:
        """Nothing: `judge` leaves the place as it was."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start("init", "--home", self.home, "--make-key-file", self.key, "--no-recovery")

    @property
    def key(self) -> Path:
        """The key file that is made with it."""
        return self.site / "made.key"

    def judge(self, end: End) -> Iterator[str]:
        """The room opens, or there is none and the next `init` works and leaves nothing of the first."""
        left = {path.name for path in self.site.iterdir()} - {"made", "made.key"}
        self.midway += bool(left)
        if not end.killed and (end.code != 0 or not self.home.exists()):
            yield f"exit code {end.code}, and the room is {'' if self.home.exists() else 'not '}there: {end.stderr}"
        if not self.home.exists():
            yield from self._again()
        yield from does_not_work(self.home, self.key)
        if strange := {path.name for path in self.site.iterdir()} - {"made", "made.key"}:
            yield f"{strange} are left beside the room"
        yield from (f"{path} is left" for path in temporaries(self.place.state))
        for path in (self.home, self.place.state):
            shutil.rmtree(path, ignore_errors=True)
        self.key.unlink(missing_ok=True)

    def _again(self) -> Iterator[str]:
        # a key file may stand: it opens nothing, and `init` replaces none
        self.key.unlink(missing_ok=True)
        try:
            strongroom.init(self.home, make_key_file=self.key)
        except (StrongroomError, OSError) as error:
            yield f"a second init fails: {error}"


def does_not_work(home: Path, key: Path) -> Iterator[str]:
    """What is wrong with a room that ought to open, encrypt and decrypt."""
    try:
        with strongroom.open(home, key_file=key) as room:
            if room.decrypt(room.encrypt(b"some")) != b"some":
                yield f"{home} decrypts to something else"
    except (StrongroomError, OSError) as error:
        yield f"{home} is not a room that works: {error!r}"


class Rotate:
    """`strongroom keys rotate`: the room opens, old messages open, and no version that was acknowledged is lost."""

    name = "keys rotate"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.midway = 0
        self.acknowledged = 1
        with place.open() as room:
            self.key_id = room.keys.list()[0].id
            self._messages = [room.encrypt(b"under version 1")]

    def prepare(self, share: float) -> None:
        """Nothing: there is always a next version."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start("keys", "rotate", self.key_id, "--json")

    def judge(self, end: End) -> Iterator[str]:
        """The room opens with every version, and what was encrypted under each."""
        if not end.killed and end.code != 0:
            yield f"exit code {end.code}: {end.stderr}"
        if '"primary"' in end.stdout:
            self.acknowledged = max(self.acknowledged, json.loads(end.stdout)["key"]["primary"])
        self.midway += has_waiting(self.place.room)
        try:
            with self.place.open() as room:
                yield from self._wrong(room)
        except StrongroomError as error:
            yield f"the room does not open: {error!r}"
        strange = {path.name for path in entries(self.place.room)} - FILES_OF_A_ROOM
        if strange:
            yield f"{strange} are left in the room"
        yield from (f"{path} is left" for path in temporaries(self.place.state))

    def _wrong(self, room: strongroom.Room) -> Iterator[str]:
        (key,) = room.keys.list()
        versions = [version.version for version in key.versions]
        if key.primary < self.acknowledged or versions != list(range(1, key.primary + 1)):
            yield f"versions {versions}, {key.primary} of them primary, and {self.acknowledged} was acknowledged"
        upkeep = Upkeep(self.place.room, Unlock(key_file=self.place.key), principal=None, purpose=None)
        yield from upkeep.reconcile().wrong
        recorded = rotations(self.place.room)
        if len(recorded) != len(set(recorded)):
            yield f"the audit trail knows of two rotations to one version: {recorded}"
        if missing := set(range(2, key.primary + 1)) - set(recorded):
            yield f"the audit trail knows nothing of versions {missing}"
        if any(not plain.startswith(b"under version") for plain in room.decrypt_many(self._messages)):
            yield "an old message decrypts to something else"
        self._messages.append(room.encrypt(b"under version %d" % key.primary))


def rotations(room: Path) -> list[int]:
    """The versions that the audit trail says were made. An entry that a crash repeated counts once."""
    events = {event["id"]: event for event in trail(room) if event["event"] == "key-rotated"}
    return [int(str(event["version"])) for event in events.values()]


def has_waiting(room: Path) -> bool:
    """Whether a change was committed whose event is not known to be in the audit trail."""
    with closing(sqlite3.connect(f"{(room / 'keystore.db').as_uri()}?mode=rw", uri=True)) as keystore:
        return keystore.execute("SELECT 1 FROM outbox").fetchone() is not None


FILES_OF_A_ROOM = {"room.json", "root.json", "keystore.db", "backup.json", "audit", *FILES_OF_A_LOG}
