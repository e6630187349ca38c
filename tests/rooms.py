"""Rooms for tests: made with a key file, so that no test waits for Argon2id."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from strongroom.audit import entries
from strongroom.home import Unlock, init_room, open_room
from strongroom.model import Request

from torture.postgres import Server, new_server

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strongroom.keyservice import EmbeddedKeyService

REQUEST = Request("alice", "test", "because")
CONTEXT = {"strongroom-class": "default", "tenant": "acme"}


@dataclass(frozen=True)
class MadeRoom:
    """A room on the disk, with a key file that opens it."""

    home: Path
    key_file: Path
    room_id: str
    recovery_words: str

    def open(self) -> EmbeddedKeyService:
        return open_room(self.home, Unlock(key_file=self.key_file))

    def sql(self, statement: str, *parameters: object) -> list[tuple[object, ...]]:
        """Change the database behind the room's back."""
        with closing(sqlite3.connect(self.home / "keystore.db", isolation_level=None)) as connection:
            return connection.execute(statement, parameters).fetchall()

    def audit(self) -> bytes:
        return audit_lines(self.home)


@pytest.fixture(autouse=True)
def state(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Anchors of this test, and an environment that unlocks nothing."""
    for name in ("CREDENTIALS_DIRECTORY", "STRONGROOM_KEY_FILE", "STRONGROOM_PASSPHRASE_FILE", "STRONGROOM_HOME"):
        monkeypatch.delenv(name, raising=False)
    place = tmp_path_factory.mktemp("state")
    monkeypatch.setenv("STRONGROOM_STATE", str(place))
    return place


@pytest.fixture
def room(state: Path, tmp_path: Path) -> MadeRoom:
    return make_room(tmp_path)


@pytest.fixture
def service(room: MadeRoom):  # type: ignore[no-untyped-def] # a generator fixture
    opened = room.open()
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A PostgreSQL server for all tests, each of which takes a new URL from it."""
    with new_server() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgres"])
def keystore_url(request: pytest.FixtureRequest) -> str | None:
    """A place for a keystore on each database: None is the file in the room."""
    return request.getfixturevalue("postgres").new_url() if request.param == "postgres" else None


def make_room(place: Path, keystore: str | None = None) -> MadeRoom:
    made = init_room(place / "room", make_key_file=place / "key", keystore=keystore)
    assert made.key_file is not None
    assert made.recovery_words is not None
    return MadeRoom(made.home, made.key_file, made.room_id, made.recovery_words)


def audit_lines(home: Path) -> bytes:
    """The audit log of a room as JSON Lines."""
    return b"".join(entry + b"\n" for entry in entries(home / "audit"))


def copy_of(directory: Path, name: str) -> Path:
    """A copy beside it, to put back later."""
    target = directory.with_name(name)
    shutil.copytree(directory, target)
    return target
