"""`root.json`: where the sealed root stands, and how it is replaced. Specified in docs/spec/room.md, "root.json"."""

from __future__ import annotations

import base64
import fcntl
import json
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.errors import ProviderUnavailable, RoomTampered, UnsupportedFormat
from strongroom.files import NOT_OURS, directory_descriptor, write_private
from strongroom.providers.sealed import Entry, SealedRoot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from typing import Any


@dataclass(frozen=True, slots=True)
class RootDocument:
    """What `root.json` says: the root, and while it is being rotated the next one beside it."""

    current: SealedRoot
    next: SealedRoot | None = None

    def at(self, version: int) -> SealedRoot:
        """The root of this version. Raises RoomTampered if the file has another."""
        for sealed in (self.current, self.next):
            if sealed is not None and sealed.version == version:
                return sealed
        raise RoomTampered(
            f"root.json holds version {self.current.version} of the root, and the keystore is wrapped by version {version}: "
            "put the root.json in place that was made when the root was rotated"
        )

    def content(self) -> bytes:
        """The bytes of the file. Format 2 says that there are two roots, of which older software knows nothing."""
        document: dict[str, object] = {
            "format": 1 if self.next is None else 2,
            "room": self.current.room_id,
            "provider": "software",
            **self.current.to_json(),
        }
        if self.next is not None:
            document["next"] = self.next.to_json()
        return json.dumps(document, indent=2).encode() + b"\n"

    @classmethod
    def parse(cls, content: bytes | str, room_id: str) -> RootDocument:
        """The document in `content`. Raises RoomTampered and UnsupportedFormat."""
        try:
            document = json.loads(content)
            if document["format"] > FORMAT:
                raise UnsupportedFormat(f"root.json has format {document['format']}; this version reads up to {FORMAT}")
            found, current = document["room"], to_sealed(document, room_id)
            after = to_sealed(document["next"], room_id) if document["format"] > 1 and "next" in document else None
        except NOT_OURS as error:
            raise RoomTampered("root.json is not what a room's root looks like: put back a copy of it") from error
        if found != room_id:
            raise RoomTampered("root.json belongs to another room")
        return cls(current, after)


def to_sealed(document: Any, room_id: str) -> SealedRoot:
    """One root out of the document."""
    entries = tuple(
        Entry(entry["kind"], entry["parameters"], base64.b64decode(entry["sealed"], validate=True))
        for entry in document["entries"]
    )
    return SealedRoot(room_id, int(document["root_version"]), entries)


class RootFile:
    """The file itself. Processes take turns by a lock on the room's directory."""

    def __init__(self, path: Path, room_id: str) -> None:
        self._path = path
        self._room_id = room_id

    def read(self) -> RootDocument:
        """What it says now. Raises RoomTampered and UnsupportedFormat."""
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            message = f"{self._path.name} is missing from {self._path.parent}: put back a copy of it"
            raise RoomTampered(message) from None
        return RootDocument.parse(content, self._room_id)

    @contextmanager
    def alone(self, patience: float = 10) -> Iterator[None]:
        """Hold the file against other writers. Raises ProviderUnavailable after so many seconds of waiting."""
        with directory_descriptor(self._path.parent) as descriptor:
            end = time.monotonic() + patience
            while not locked(descriptor):
                if time.monotonic() >= end:
                    raise ProviderUnavailable(f"another process is changing {self._path}: run again when it is done")
                time.sleep(PAUSE)
            yield

    def write(self, document: RootDocument) -> None:
        """Replace it, so that a crash leaves the old content or the new. Only for who holds it `alone`."""
        write_private(self._path, document.content())

    def settle(self, version: Callable[[], int]) -> None:
        """Finish what a crash has left of a rotation: keep the root of `version` alone, unless one is at work now.

        `version` is asked once no rotation can be at work any more.
        """
        try:
            with self.alone(patience=0):
                document = self.read()
                if document.next is not None:
                    self.write(RootDocument(document.at(version())))
        except (ProviderUnavailable, OSError):
            # at work, or a room that is read and not written: both open as they are
            return


def locked(descriptor: int) -> bool:
    """Whether the lock could be had at once."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


FORMAT = 2
PAUSE = 0.01
