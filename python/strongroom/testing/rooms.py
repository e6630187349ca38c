"""Rooms for one test."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.client.room import Room
from strongroom.crypto import Secret
from strongroom.home import Unlock, init_room

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def room(*, root: str | None = None) -> Iterator[Room]:
    """A new room, open, in a temporary directory that is gone at the end. It opens by a key file, or by the token of `root`.

    Until the end the environment variables STRONGROOM_HOME and STRONGROOM_STATE lead there, and STRONGROOM_KEY_FILE to the key
    file, so that commands and `strongroom.open()` find it too.
    """
    with tempfile.TemporaryDirectory(prefix="strongroom-testing-") as name:
        folder = Path(name)
        key_file = folder / "key"
        there = {"STRONGROOM_HOME": str(folder / "room"), "STRONGROOM_STATE": str(folder / "state")}
        if root is None:
            write_key(key_file)
            there["STRONGROOM_KEY_FILE"] = str(key_file)
        with environment(there):
            unlock = Unlock() if root is not None else Unlock(key_file=key_file)
            init_room(folder / "room", None if root is not None else unlock, root=root, recovery=False)
            with Room(folder / "room", unlock) as made:
                yield made


def write_key(path: Path) -> None:
    """A random key in a file of its own."""
    key = Secret.random()
    try:
        key.write_file(str(path))
    finally:
        key.close()


@contextmanager
def environment(variables: dict[str, str]) -> Iterator[None]:
    """These variables, and none that would open another room, until the end."""
    names = (*variables, "STRONGROOM_KEY_FILE", "STRONGROOM_PASSPHRASE_FILE", "CREDENTIALS_DIRECTORY")
    before = {name: os.environ.pop(name) for name in names if name in os.environ}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in names:
            os.environ.pop(name, None)
        os.environ.update(before)
