"""A folder with a room in it, in which a program may break what it likes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import strongroom

if TYPE_CHECKING:
    from torture.postgres import Server

CLI = (sys.executable, "-c", "from strongroom.cli import main; main()")


@dataclass(frozen=True)
class Place:
    """Everything that a command may write to is beneath `folder`: room, state, home, temporary files, outputs.

    Keystores are in the rooms, or in schemas of `server`.
    """

    folder: Path
    server: Server | None = None

    @property
    def room(self) -> Path:
        """The room's directory."""
        return self.folder / "room"

    @property
    def key(self) -> Path:
        """The key file that opens the room."""
        return self.folder / "key"

    @property
    def state(self) -> Path:
        """Where this host's epoch anchors are."""
        return self.folder / "state"

    @property
    def temporary(self) -> Path:
        """Where temporary files go."""
        return self.folder / "tmp"

    def environment(self) -> dict[str, str]:
        """What a command gets to see."""
        inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return inherited | {
            "HOME": str(self.folder / "home"),
            "LANG": "C.UTF-8",
            "TMPDIR": str(self.temporary),
            "STRONGROOM_HOME": str(self.room),
            "STRONGROOM_STATE": str(self.state),
            "STRONGROOM_KEY_FILE": str(self.key),
            "PYTHONHASHSEED": "0",
            "PYTHONDONTWRITEBYTECODE": "1",
        }

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Begin a real command of its own process."""
        return self.launch([*CLI, *map(str, arguments)])

    def launch(self, command: list[str]) -> subprocess.Popen[str]:
        """Begin any program in the same surroundings."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command, cwd=self.folder / "cwd", env=self.environment(), stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
        )  # fmt: skip

    def new_keystore(self) -> str | None:
        """The URL of a keystore for a new room, if it is not to be in the room."""
        return self.server.new_url() if self.server else None

    def open(self) -> strongroom.Room:
        """The room, opened in this process."""
        return strongroom.open(self.room, key_file=self.key, principal="torture", purpose="torture")


@contextmanager
def new_place(parent: Path | None, *, with_room: bool = True, server: Server | None = None) -> Iterator[Place]:
    """A new place beneath `parent`, gone at the end. This process keeps its anchors there meanwhile."""
    before = os.environ.get("STRONGROOM_STATE")
    place = Place(Path(tempfile.mkdtemp(prefix="torture-", dir=parent)), server)
    try:
        for name in ("home", "tmp", "cwd", "state"):
            (place.folder / name).mkdir()
        os.environ["STRONGROOM_STATE"] = str(place.state)
        if with_room:
            strongroom.init(place.room, make_key_file=place.key, keystore=place.new_keystore())
        yield place
    finally:
        os.environ.pop("STRONGROOM_STATE", None)
        if before is not None:
            os.environ["STRONGROOM_STATE"] = before
        shutil.rmtree(place.folder, ignore_errors=True)
