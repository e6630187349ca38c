"""A version that is revoked by one process while another moves data off it, and others read."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import strongroom
from strongroom.client.census import census
from strongroom.client.inspection import room_key
from strongroom.crypto import Header
from strongroom.errors import KeyStateForbids

# large enough that each gets its name by itself
FILES, SIZE = 8, 9 << 20


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[strongroom.Room]:
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "state"))
    strongroom.init(tmp_path / "room", make_key_file=tmp_path / "key")
    with opened(tmp_path) as room:
        # what is revoked serves nobody longer than this
        room.classes.create("brief", lease_seconds=1)
        yield room


@pytest.fixture
def tree(room: strongroom.Room, tmp_path: Path) -> Path:
    source = tmp_path / "source"
    source.mkdir()
    for number in range(FILES):
        (source / f"{number:02}").write_bytes(random.Random(number).randbytes(SIZE))
    room.encrypt_tree(source, tmp_path / "tree", data_class="brief")
    room.keys.rotate(key_of(room), reason="so that there is another")
    return tmp_path / "tree"


def opened(folder: Path) -> strongroom.Room:
    return strongroom.open(folder / "room", key_file=folder / "key")


def key_of(room: strongroom.Room) -> str:
    return room.classes.show("brief").key_id


@contextmanager
def moving(tree: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that re-encrypts the tree at leisure; it has begun, and is far from its end."""
    home = tree.parent
    environment = os.environ | {"STRONGROOM_HOME": str(home / "room"), "STRONGROOM_KEY_FILE": str(home / "key")}
    command = [sys.executable, "-c", "from strongroom.cli import main; main()", "reencrypt", tree, "--rate", "18", "-q"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        wait_for(lambda: moved(standing(tree).values()))
        yield process


def wait_for(condition: object, seconds: float = 30.0) -> None:
    assert callable(condition)
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def moved(messages: Iterable[bytes]) -> int:
    """How many of them are under version 2."""
    return sum(version_of(message) == 2 for message in messages)


def standing(tree: Path) -> dict[str, bytes]:
    return {path.stem: path.read_bytes() for path in tree.glob("*.sr")}


def version_of(message: bytes) -> int | None:
    return room_key(Header.parse(message).edks)[1]


def test_data_is_moved_off_a_version_that_is_compromised_meanwhile(room, tree, tmp_path) -> None:
    with moving(tree) as process:
        room.keys.compromise(key_of(room), 1, reason="it was found in a log")
        messages = standing(tree)
        assert 0 < moved(messages.values()) < FILES
        with opened(tmp_path) as reader:
            for name, message in messages.items():
                if version_of(message) == 2:
                    assert reader.decrypt(message) == (tmp_path / "source" / name).read_bytes()
                else:
                    with pytest.raises(KeyStateForbids):
                        reader.decrypt(message)
        _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "")
    assert {row.version for row in census(tree).counts} == {2}
    with opened(tmp_path) as reader:
        assert reader.verify(tree).files == FILES


def test_a_target_that_is_suspended_stops_the_move_within_its_lease_and_nothing_is_lost(room, tree, tmp_path) -> None:
    with moving(tree) as process:
        room.keys.suspend(key_of(room), 2, reason="until we know more")
        _, said = process.communicate(timeout=60)
    assert process.returncode == 14, said
    assert 0 < moved(standing(tree).values()) < FILES
    room.keys.resume(key_of(room), 2, reason="a false alarm")
    with opened(tmp_path) as fresh:
        # readers accept what has moved and what has not
        assert fresh.verify(tree).files == FILES
        assert fresh.reencrypt(tree).files == FILES
        assert fresh.verify(tree).files == FILES
    assert {row.version for row in census(tree).counts} == {2}
