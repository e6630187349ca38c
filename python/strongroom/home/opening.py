"""Open a room: check its directory, unseal its root, verify its keystore, start its audit log."""

from __future__ import annotations

import json
import os
import re
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from strongroom.audit import MeteredSink
from strongroom.errors import KeystoreMoved, RoomNotFound, RoomTampered, UnsupportedFormat
from strongroom.files import NOT_OURS, check_private, write_private
from strongroom.home.log import RoomNotary, identity, open_log, refusals_recorded
from strongroom.home.places import (
    AUDIT_DIRECTORY,
    KEYSTORE_FILE,
    ROOM_FILE,
    ROOT_FILE,
    anchors_directory,
    as_home,
    os_user,
    os_user_beside,
)
from strongroom.home.reach import files_of, forget
from strongroom.home.unlock import Unlock, unlocking
from strongroom.keyservice import EmbeddedKeyService
from strongroom.keystore import Keystore, check_url, glance
from strongroom.keystore.moving import settle
from strongroom.keystore.settings import settings_in
from strongroom.model import Settings
from strongroom.policy import OwnerPolicy
from strongroom.providers import RootFile

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom.audit import AuditLog, Sink
    from strongroom.home.unlock import StrPath
    from strongroom.observe import Meter
    from strongroom.providers import OpenRoot, RootDocument, SealedRoot


@dataclass(frozen=True, slots=True)
class RoomFile:
    """`room.json`: the room's id, when it was made, and the URL of its keystore, None for the file in the room."""

    id: str
    keystore: str | None
    created: str

    def content(self) -> bytes:
        """What stands in the file."""
        elsewhere = {} if self.keystore is None else {"keystore": self.keystore}
        document = {"format": FORMAT, "room": self.id, "created": self.created, **elsewhere}
        return json.dumps(document, indent=2).encode() + b"\n"

    def place(self, home: Path) -> Path | str:
        """Where the keystore is."""
        return home / KEYSTORE_FILE if self.keystore is None else self.keystore


def open_room(
    home: StrPath | None = None, unlock: Unlock | None = None, meter: Meter | None = None
) -> EmbeddedKeyService:
    """The keyservice of the room at `home`, the default home if None, counting what it records into `meter`.

    Raises RoomNotFound, RoomUnsafe, RoomLocked, BadPassphrase, RoomTampered, UnsupportedFormat for a newer room,
    KeystoreUnavailable and AuditUnavailable.
    """
    place = as_home(home)
    room = read_room(place)
    check_private(place)
    actor = os_user()
    root_file = RootFile(place / ROOT_FILE, room.id)
    with ExitStack() as undo:
        root, keystore = open_keystore(place, root_file, room, unlock or Unlock(), undo)
        sink = followed(place, room.id, keystore, open_log(place, room.id, keystore, actor))
        undo.callback(sink.close)
        owner = keystore.snapshot().owner
        policy = OwnerPolicy(owner, os_user_beside(owner))
        counted = MeteredSink(sink, meter) if meter is not None else sink
        service = EmbeddedKeyService(keystore, root, policy, counted, room_id=room.id, actor=actor, root_file=root_file)
        undo.pop_all()
    return service


def followed(place: Path, room_id: str, keystore: Keystore, log: AuditLog) -> Sink:
    """The log, and where the room has witnesses or forwards entries, one that tells them."""
    settings, folder = settings_in(keystore.snapshot().settings), place / AUDIT_DIRECTORY
    # it is a note, and nothing depends on it
    with suppress(OSError):
        forget(folder, files_of(settings))
    if settings == Settings():
        return log
    # which brings a client for HTTP with it
    from strongroom.home.following import FollowedLog, followers_of

    verifier = RoomNotary(keystore, room_id, identity(folder, room_id) or "").verifier
    return FollowedLog(log, folder, followers_of(folder, verifier, settings, AT_ONCE))


def open_keystore(
    place: Path, root_file: RootFile, room: RoomFile, unlock: Unlock, undo: ExitStack
) -> tuple[OpenRoot, Keystore]:
    """The room's root and the keystore under it. The secrets that open the root are wiped at once."""
    with (
        refusals_recorded(place),
        unlocking(unlock, trusts_locations=is_ours(place / ROOT_FILE)) as opened,
    ):
        while True:
            document = root_file.read()
            root = opened(sealed_now(document, place, room))
            try:
                keystore = keystore_in_force(place, room, root)
            except RoomTampered:
                root.close()
                # a rotation of the root in between looks like that, and the next attempt sees the whole of it
                if root_file.read() == document:
                    raise
                continue
            except BaseException:
                root.close()
                raise
            break
    undo.callback(root.close)
    undo.callback(keystore.close)
    if document.next is not None:
        root_file.settle(lambda: version_in_force(place, read_room(place)))
    return root, keystore


def unseal(place: Path, root_file: RootFile, room: RoomFile, unlock: Unlock) -> OpenRoot:
    """The room's root. The secrets that open it are wiped at once."""
    with (
        refusals_recorded(place),
        unlocking(unlock, trusts_locations=is_ours(place / ROOT_FILE)) as opened,
    ):
        return opened(sealed_now(root_file.read(), place, room))


def is_ours(path: Path) -> bool:
    """Whether nobody but root and the user of this process can have written a file: it may name code to load."""
    return path.exists() and path.stat().st_uid in {0, os.geteuid()}


def sealed_now(document: RootDocument, place: Path, room: RoomFile) -> SealedRoot:
    """The root that the keystore is wrapped by, while `root.json` holds two of them."""
    return document.current if document.next is None else document.at(version_in_force(place, room))


def version_in_force(home: Path, room: RoomFile) -> int:
    """The version of the root that the keystore is wrapped by, wherever it was moved to. Not authenticated yet."""
    for _ in range(MOST_MOVES):
        look = glance(room.place(home), room.id)
        if look.moved_to is None:
            break
        room = moved_room(room, look.moved_to)
    return look.root_version


def keystore_in_force(home: Path, room: RoomFile, root: OpenRoot) -> Keystore:
    """The room's keystore, where it was moved to if it was; `room.json` says so from then on."""
    for _ in range(MOST_MOVES):
        try:
            keystore = Keystore(room.place(home), room.id, root, anchors_directory())
        except KeystoreMoved as moved:
            room = follow(home, room, root, moved.moved_to)
            continue
        if room != read_room(home):
            # a note for the next to open it, who can do without
            with suppress(OSError):
                write_private(home / ROOM_FILE, room.content())
        return keystore
    raise RoomTampered("the keystore was moved more often than anyone moves it: see `keystore` in room.json")


def follow(home: Path, room: RoomFile, root: OpenRoot, moved_to: str) -> RoomFile:
    """The room with its keystore where it was moved to, in force there: a crash may have come before that."""
    elsewhere = moved_room(room, moved_to)
    settle(elsewhere.place(home), room.id, root, came_from=room.place(home))
    return elsewhere


def moved_room(room: RoomFile, moved_to: str) -> RoomFile:
    """The room with its keystore where a mark says that it is."""
    return replace(room, keystore=None if moved_to == KEYSTORE_FILE else moved_to)


def read_room_id(home: Path) -> str:
    """The id in `room.json`. Raises RoomNotFound if there is no room, UnsupportedFormat if it is a newer one."""
    return read_room(home).id


def read_room(home: Path) -> RoomFile:
    """What `room.json` says. Raises RoomNotFound if there is no room, UnsupportedFormat if it is a newer one."""
    try:
        content = (home / ROOM_FILE).read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise RoomNotFound(f"there is no room at {home}: `strongroom init` makes one") from None
    try:
        document = json.loads(content)
        version, room_id, keystore = document["format"], document["room"], document.get("keystore")
        if version > FORMAT:
            raise UnsupportedFormat(
                f"the room at {home} has format {version}; this version of Strongroom reads up to {FORMAT}"
            )
        if not ROOM_ID.fullmatch(room_id):
            raise ValueError(room_id)
        if keystore is not None:
            # not of any other type, before it is taken apart
            check_url("" + keystore)
        return RoomFile(str(room_id), keystore, str(document["created"]))
    except NOT_OURS as error:
        raise RoomTampered(f"{ROOM_FILE} is not what a room's looks like: put back a copy of it") from error


FORMAT = 2
MOST_MOVES = 10
# entries that a room forwards by itself before it looks how long that takes
AT_ONCE = 20_000
ROOM_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)
