"""What is wrong with a disk that lost its power."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import strongroom
from strongroom.errors import StrongroomError

from torture.power.memory import Memory
from torture.power.workload import KEY, ROOM, STATE, VERSION, digest
from torture.traces import files


@dataclass(frozen=True)
class Instant:
    """When the power failed: between two readings of the clock."""

    before: float
    after: float


class Judge:
    """Compares disks with what a workload has said. Counts the acknowledged outputs that it looked at."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self.acknowledged = 0

    def judge(self, disk: Path, instant: Instant) -> Iterator[str]:
        """What is lost, torn or neither old nor new."""
        os.environ["STRONGROOM_STATE"] = str(disk / STATE)
        try:
            with strongroom.open(disk / ROOM, key_file=disk / KEY) as room:
                yield from self._outputs(room, disk, instant)
                yield from self._versions(room, instant)
                if (disk / "tree/.strongroom/manifest.sr").exists():
                    room.verify(disk / "tree")
        except (StrongroomError, OSError) as error:
            yield f"{type(error).__name__}: {error}"

    def _outputs(self, room: strongroom.Room, disk: Path, instant: Instant) -> Iterator[str]:
        for name in list(self._memory.versions):
            if name == VERSION:
                continue
            must = self._memory.must(name, instant.before)
            self.acknowledged += must is not None
            found = self._room(disk / name) if name.startswith("rooms/") else content(room, disk / name)
            if found not in self._memory.may(name, instant.before, instant.after):
                yield f"{name} {'lost' if must else 'torn'}: {'it is not there' if found is None else found}"
        known = set(self._memory.versions)
        for folder in ("files", "plain", "tree/a", "back/a"):
            for path in files(disk / folder):
                if str(path.relative_to(disk)) not in known and not path.name.startswith(".strongroom-"):
                    yield f"{path} is nobody's"

    def _versions(self, room: strongroom.Room, instant: Instant) -> Iterator[str]:
        (key,) = room.keys.list()
        must = self._memory.must(VERSION, instant.before)
        self.acknowledged += must is not None
        if must and key.primary < int(must.digest):
            yield f"version {must.digest} of the key lost: {key.primary} is primary"
        if [version.version for version in key.versions] != list(range(1, key.primary + 1)):
            yield f"the versions of the key are {key.versions}"

    def _room(self, home: Path) -> str | None:
        if not home.exists():
            return None
        with strongroom.open(home, key_file=home.with_name(home.name + ".key")) as room:
            return room.decrypt(room.encrypt(b"")).decode()


def content(room: strongroom.Room, path: Path) -> str | None:
    """The digest of a file, or of the plaintext of a message; None if there is no file."""
    try:
        found = path.read_bytes()
    except FileNotFoundError:
        return None
    try:
        return digest(room.decrypt(found) if path.suffix == ".sr" else found)
    except StrongroomError as error:
        return f"{type(error).__name__}, {len(found)} bytes"
