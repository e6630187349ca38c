"""The jobs over roots and backups: `root rotate`, `backup create`, `backup restore`."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import strongroom
from strongroom.errors import StrongroomError
from strongroom.home import Unlock
from strongroom.recovery import create_backup, verify_backup

from torture.crash.killing import End
from torture.crash.rooms import FILES_OF_A_ROOM
from torture.place import Place
from torture.traces import entries, temporaries


class RotateRoot:
    """`strongroom root rotate`: the room opens with the secrets that it had, old messages open, and nothing is left."""

    name = "root rotate"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.midway = 0
        self.acknowledged = 1
        with place.open() as room:
            # only the key file: its secret is what the command is given
            kit = next(way.id for way in room.ways.list() if way.kind == "recovery-kit")
            room.ways.remove(kit, force=True)
            room.classes.create("other")
            for _ in range(VERSIONS):
                room.keys.rotate(room.keys.list()[0].id)
            self._messages = [room.encrypt(b"one"), room.encrypt(b"two", data_class="other")]

    def prepare(self, share: float) -> None:
        """Nothing: there is always a next root."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start("root", "rotate", "--json")

    def judge(self, end: End) -> Iterator[str]:
        """The key file opens the room, each of the messages opens, and the next rotation is not hindered."""
        if not end.killed and end.code != 0:
            yield f"exit code {end.code}: {end.stderr}"
        self.midway += b'"next"' in (self.place.room / "root.json").read_bytes()
        try:
            with self.place.open() as room:
                info = room.root.show()
                if room.decrypt_many(self._messages) != [b"one", b"two"]:
                    yield "an old message decrypts to something else"
                versions = {version.root_version for key in room.keys.list() for version in key.versions}
                if versions != {info.version}:
                    yield f"the root is at version {info.version}, and KEKs are under {versions}"
                if not end.killed and info.version <= self.acknowledged:
                    yield f"version {info.version} of the root, and {self.acknowledged} was acknowledged before"
                self.acknowledged = info.version
                room.encrypt(b"new")
        except StrongroomError as error:
            yield f"the room does not open: {error!r}"
        if b'"next"' in (self.place.room / "root.json").read_bytes():
            yield "root.json still holds two roots"
        yield from left(self.place)


class Back:
    """`strongroom backup create`: a backup that restores, or no file."""

    name = "backup create"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.midway = 0
        self.file = place.folder / "backup"
        with place.open() as room:
            for _ in range(VERSIONS):
                room.keys.rotate(room.keys.list()[0].id)

    def prepare(self, share: float) -> None:
        """Nothing: `judge` leaves the place as it was."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start("backup", "create", self.file, "--json")

    def judge(self, end: End) -> Iterator[str]:
        """The file restores, or is not there, and the room goes on."""
        if not end.killed and (end.code != 0 or not self.file.exists()):
            yield f"exit code {end.code}, and the file is {'' if self.file.exists() else 'not '}there: {end.stderr}"
        self.midway += end.killed and self.file.exists()
        if self.file.exists():
            try:
                done = verify_backup(self.file, self.place.folder / "none", Unlock(key_file=self.place.key))
                if done.versions != VERSIONS + 1 or done.keks != VERSIONS + 1:
                    yield f"the backup has {done.versions} versions and {done.keks} KEKs"
            except StrongroomError as error:
                yield f"the backup does not verify: {error!r}"
            self.file.unlink()
        try:
            with self.place.open() as room:
                # which removes a journal of SQLite's that a killed command left
                room.encrypt(b"new")
        except StrongroomError as error:
            yield f"the room does not open: {error!r}"
        yield from left(self.place)
        yield from (f"{path} is left" for path in temporaries(self.place.folder))


class Restore:
    """`strongroom backup restore`: a whole room or none, and after none a second one goes through."""

    name = "backup restore"

    def __init__(self, place: Place) -> None:
        self.place = place
        self.midway = 0
        self.file = place.folder / "backup"
        self.site = place.folder / "rooms"
        self.site.mkdir()
        with place.open() as room:
            for _ in range(VERSIONS):
                room.keys.rotate(room.keys.list()[0].id)
            self._message = room.encrypt(b"data")
            self._state = create_backup(room, self.file).state
        self._url: str | None = None
        # destroyed: this host has seen it, and it is gone
        shutil.rmtree(place.room)

    @property
    def home(self) -> Path:
        """Where the room is restored to."""
        return self.site / "made"

    def prepare(self, share: float) -> None:
        """Nothing: `judge` leaves the place as it was."""

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        # a restore that is killed leaves what it put into a database elsewhere, so each gets a schema of its own
        self._url = self.place.new_keystore()
        elsewhere = ["--keystore", self._url] if self._url else []
        return self.place.start("backup", "restore", self.file, "--home", self.home, "--json", *elsewhere)

    def judge(self, end: End) -> Iterator[str]:
        """The room is what the backup holds, or there is none and the next restore works and leaves nothing of the first."""
        self.midway += any(path.name != "made" for path in self.site.iterdir())
        if not end.killed and (end.code != 0 or not self.home.exists()):
            yield f"exit code {end.code}, and the room is {'' if self.home.exists() else 'not '}there: {end.stderr}"
        if not self.home.exists():
            again = self.start()
            _, stderr = again.communicate(timeout=PATIENCE)
            if again.returncode != 0:
                yield f"a second restore fails: {stderr}"
        try:
            # before it is opened, which writes down what time has brought since
            checked = strongroom.upkeep(self.home, key_file=self.place.key).check()
            yield from checked.wrong
            if checked.digest != self._state:
                yield "the room is not in the state that the backup was taken of"
            with strongroom.open(self.home, key_file=self.place.key) as room:
                if room.decrypt(self._message) != b"data":
                    yield "a message decrypts to something else"
        except StrongroomError as error:
            yield f"the room does not open: {error!r}"
        if strange := {path.name for path in self.site.iterdir()} - {"made"}:
            yield f"{strange} are left beside the room"
        shutil.rmtree(self.home, ignore_errors=True)

    def spoil(self) -> None:
        """Take half of what was restored away."""
        if self.place.server:
            self.place.server.sql("DELETE FROM key_versions WHERE version % 2 = 0", url=self._url)
        else:
            keystore = self.home / "keystore.db"
            keystore.write_bytes(keystore.read_bytes()[: keystore.stat().st_size // 2])


def left(place: Place) -> Iterator[str]:
    """What is in the room and does not belong there, but for what the next writer of `root.json` takes away."""
    strange = {path.name for path in entries(place.room)} - FILES_OF_A_ROOM - {".root.json.new"}
    if strange:
        yield f"{strange} are left in the room"


VERSIONS = 20
PATIENCE = 120.0
