"""A process that works on a disk and says aloud what it begins and what is done.

Each line is a JSON object: `name` of an output, the `digest` of its content, and the instant when it was `begun`, or `done`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import strongroom


def main() -> None:
    """Work on the disk that is named first, from sources in the folder that is named second, until killed."""
    disk, sources, seed = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    os.environ["STRONGROOM_STATE"] = str(disk / STATE)
    Worker(disk, sources, random.Random(seed)).work()


class Worker:
    """Does one thing after another with a room and its outputs, all on one disk."""

    def __init__(self, disk: Path, sources: Path, dice: random.Random) -> None:
        self._disk = disk
        self._sources = sources
        self._dice = dice
        self._number = itertools.count(1)
        self._room = strongroom.open(disk / ROOM, key_file=disk / KEY)
        self._key = self._room.keys.list()[0]
        (sources / "tree/a").mkdir(parents=True, exist_ok=True)

    def work(self) -> None:
        """Until killed."""
        kinds = [self.file] * 6 + [self.plain] * 3 + [self.tree] * 2 + [self.rotate, self.init]
        while True:
            self._dice.choice(kinds)()

    def file(self) -> None:
        """Encrypt a file, new or over an earlier one."""
        name = f"files/{self._dice.randrange(NAMES)}.sr"
        source = self._written(self._sources / "file")
        with saying({name: digest(source.read_bytes())}):
            self._room.encrypt_file(source, self._disk / name, force=True)

    def plain(self) -> None:
        """Encrypt a file in memory and decrypt it onto the disk."""
        name = f"plain/{self._dice.randrange(NAMES)}"
        source, message = self._written(self._sources / "file"), self._sources / "message"
        message.write_bytes(self._room.encrypt(source.read_bytes()))
        with saying({name: digest(source.read_bytes())}):
            self._room.decrypt_file(message, self._disk / name, force=True)

    def tree(self) -> None:
        """Bring an encrypted tree up to date, and a decrypted one after it."""
        paths = [f"a/{number}" for number in range(NAMES)]
        for path in self._dice.sample(paths, NAMES // 3):
            self._written(self._sources / "tree" / path)
        found = {path: self._sources / "tree" / path for path in paths}
        now = {path: digest(file.read_bytes()) for path, file in found.items() if file.exists()}
        with saying({f"tree/{path}.sr": is_now for path, is_now in now.items()}):
            self._room.encrypt_tree(self._sources / "tree", self._disk / "tree", resume=True)
        with saying({f"back/{path}": is_now for path, is_now in now.items()}):
            self._room.decrypt_tree(self._disk / "tree", self._disk / "back", resume=True)

    def rotate(self) -> None:
        """Make a new key version."""
        with saying({VERSION: str(self._key.primary + 1)}):
            self._key = self._room.keys.rotate(self._key.id)

    def init(self) -> None:
        """Make a room. Few of them, since opening each takes a while."""
        number = next(self._number)
        if number <= ROOMS:
            with saying({f"rooms/{number}": ""}):
                strongroom.init(self._disk / f"rooms/{number}", make_key_file=self._disk / f"rooms/{number}.key")

    def _written(self, path: Path) -> Path:
        path.write_bytes(self._dice.randbytes(self._dice.choice(SIZES)))
        return path


@contextmanager
def saying(outputs: dict[str, str]) -> Iterator[None]:
    """Say before and after what these outputs are to hold."""
    say("begun", outputs)
    yield
    say("done", outputs)


def say(what: str, outputs: dict[str, str]) -> None:
    """One line for each output, in one write."""
    now = time.monotonic()
    lines = (json.dumps({"name": name, "digest": digest, what: now}) + "\n" for name, digest in outputs.items())
    sys.stdout.write("".join(lines))
    sys.stdout.flush()


def digest(content: bytes) -> str:
    """What a content is known by."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


STATE, ROOM, KEY, VERSION = "state", "room", "room.key", "version"
NAMES = 12
ROOMS = 3
SIZES = (100, 5_000, 70_000, 300_000)
