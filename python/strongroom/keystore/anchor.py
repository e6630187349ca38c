"""The epoch anchor: a file of this host, outside the room, that remembers how far the keystore had come.

An older copy of the whole keystore verifies in itself; only something outside of it can tell. The anchor is always read
before the database and moved after it, so a change in between never looks like a rollback.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.crypto import ct_eq
from strongroom.errors import AuthenticationFailed, KeystoreUnavailable, RoomTampered
from strongroom.files import DIRECTORY_MODE, FILE_MODE, NOT_OURS, write_private
from strongroom.keys import length_prefixed

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strongroom.crypto import MacKey


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A state of the keystore: its epoch and the MAC over the set of its rows."""

    epoch: int
    set_mac: bytes

    def is_same(self, other: Mark) -> bool:
        """Whether `other` is this state; the MACs are compared in constant time."""
        return self.epoch == other.epoch and ct_eq(self.set_mac, other.set_mac)


class Anchor:
    """The anchor of one room in the directory `directory`, authenticated with the room's MAC key."""

    def __init__(self, directory: Path, room_id: str, key: MacKey) -> None:
        self._path = directory / room_id
        self._room_id = room_id
        self._key = key

    def read(self) -> Mark | None:
        """The newest state seen on this host, None if there is no anchor yet. Raises RoomTampered."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unavailable(error) from error
        try:
            document = json.loads(content)
            mark = Mark(int(document["epoch"]), bytes.fromhex(document["set_mac"]))
            self._key.verify(self._said(mark), bytes.fromhex(document["mac"]))
        except (*NOT_OURS, AuthenticationFailed) as error:
            raise RoomTampered(f"the epoch anchor {self._path} was changed") from error
        return mark

    def advance(self, mark: Mark) -> None:
        """Remember `mark`, unless the anchor is as far already."""
        try:
            with self._alone():
                seen = self.read()
                if seen is None or seen.epoch < mark.epoch:
                    write_private(self._path, self._content(mark))
        except OSError as error:
            raise self._unavailable(error) from error

    @staticmethod
    def forget(directory: Path, room_id: str) -> None:
        """Remove what there is of the anchor of a room that did not come to be. What cannot be removed hinders nobody."""
        for name in (room_id, f"{room_id}.lock", f".{room_id}.new"):
            with suppress(OSError):
                (directory / name).unlink()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        self._path.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
        lock = os.open(self._path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, FILE_MODE)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _content(self, mark: Mark) -> bytes:
        document = {
            "format": FORMAT,
            "room": self._room_id,
            "epoch": mark.epoch,
            "set_mac": mark.set_mac.hex(),
            "mac": self._key.sign(self._said(mark)).hex(),
        }
        return json.dumps(document, indent=2).encode() + b"\n"

    def _said(self, mark: Mark) -> bytes:
        fields = (b"strongroom/1/anchor", self._room_id.encode(), str(mark.epoch).encode(), mark.set_mac)
        return length_prefixed(*fields)

    def _unavailable(self, error: OSError) -> KeystoreUnavailable:
        return KeystoreUnavailable(
            f"the epoch anchor {self._path} cannot be used ({error.strerror}): set STRONGROOM_STATE to a directory of yours"
        )


def check_progress(seen: Mark | None, found: Mark) -> None:
    """Raises RoomTampered if `found` is older than what was seen before, or another state of the same epoch."""
    if seen is None or seen.is_same(found) or seen.epoch < found.epoch:
        return
    if found.epoch < seen.epoch:
        raise RoomTampered(
            f"the keystore was put back: it is at epoch {found.epoch}, and this host has seen epoch {seen.epoch}"
        )
    raise RoomTampered(f"the keystore was replaced: it is not the one that this host has seen at epoch {seen.epoch}")


FORMAT = 1
