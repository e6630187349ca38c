"""Backups of a room: create, verify, restore. Specified in docs/spec/backup.md."""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.client.room import Room
from strongroom.errors import AccessDenied, StrongroomError
from strongroom.home import (
    Unlock,
    anchors_directory,
    as_home,
    note_verified,
    os_user,
    os_user_beside,
    read_room_id,
)
from strongroom.home.places import KEYSTORE_FILE
from strongroom.keystore import glance
from strongroom.model import Request
from strongroom.policy import Action, OwnerPolicy, Resource, judge
from strongroom.recovery import file
from strongroom.recovery.document import Contents
from strongroom.recovery.restoring import build, check_target, place_room, prove, standing_of

if TYPE_CHECKING:
    from strongroom.providers import RootDocument

    StrPath = str | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A backup of a room. `state` says what its keystore holds, whatever the epoch; `taken` is RFC 3339."""

    id: str
    room_id: str
    taken: str
    epoch: int
    state: str
    keys: int
    versions: int
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedBackup(Backup):
    """A backup that was restored into a scratch room, where `keks` were opened.

    `recorded` says whether the room at hand took note of it, so that it reminds nobody any more.
    """

    keks: int
    recorded: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoredRoom(Backup):
    """A room that was made from a backup, at `room_epoch`. `replaced` is where an earlier one was put."""

    keks: int
    home: Path
    room_epoch: int
    owner: str
    replaced: Path | None


def create_backup(room: Room, path: StrPath, *, reason: str | None = None) -> Backup:
    """Write a backup of `room` to the new file `path`: its keystore, the sealed root, and the end of its audit trail.

    It opens with what opens the room now, and with nothing else. The file is whole and durable, or absent. Raises
    TargetExists.
    """
    start = time.perf_counter()
    if os.path.lexists(path):
        # before the audit trail says that there is another backup
        file.refuse_existing(path)
    export = room.export(reason=reason)
    taken = export.taken.isoformat(timespec="seconds")
    contents = Contents(id=export.id, taken=taken, audit=asdict(export.audit), dump=export.dump)
    file.write(path, export, contents)
    return Backup(**about(contents, start))


def verify_backup(
    path: StrPath, home: StrPath | None = None, unlock: Unlock | None = None, *, reason: str | None = None
) -> VerifiedBackup:
    """Prove that a backup can be restored: do so in a private directory, verify every row and open every KEK there.

    `unlock` is what opened the room when the backup was taken. Where it opens the room at `home` as well, the room takes note.
    Raises BadPassphrase, AuthenticationFailed, RoomTampered.
    """
    start, unlock = time.perf_counter(), unlock or Unlock()
    with file.opened(path, unlock) as (root, document, contents):
        owner = contents.dump.owner
        with tempfile.TemporaryDirectory(prefix="strongroom-verify-") as scratch:
            site, anchors = Path(scratch, "room"), Path(scratch, "anchors")
            site.mkdir(mode=0o700)
            build(site, root, document, contents, owner, anchors)
            keks = prove(site, root, contents, owner)
            keys = glance(site / KEYSTORE_FILE, contents.dump.room).keys
    recorded = note(contents, document, keys, home, unlock, reason)
    return VerifiedBackup(keks=keks, recorded=recorded, **about(contents, start))


def restore_backup(
    path: StrPath,
    home: StrPath,
    unlock: Unlock | None = None,
    *,
    owner: str | None = None,
    replace: bool = False,
    keystore: str | None = None,
    principal: str | None = None,
    reason: str | None = None,
) -> RestoredRoom:
    """Make the room at `home` out of a backup. A crash leaves all of it or none.

    Its epoch is above all that the backup and this host have seen, so that a copy of the room which is still somewhere on
    this host is refused from now on. `owner` gives it to that OS user, which is recorded; else it belongs to whom it did,
    and AccessDenied is raised where that is not the user of this process. `replace` puts a room that is there aside.
    `keystore` is the URL of a PostgreSQL database for the keystore, without a password; None keeps it in the room.
    """
    start, place, actor = time.perf_counter(), as_home(home).absolute(), os_user()
    check_target(place, replace=replace)
    with file.opened(path, unlock or Unlock()) as (root, document, contents):
        request = Request(principal or actor, "backup restore", reason or "")
        if owner is None:
            authorise(contents.dump.owner, request)
        heir = owner or contents.dump.owner
        epoch, keks, aside = place_room(
            place,
            root,
            document,
            contents,
            request,
            actor=actor,
            owner=heir,
            anchors=anchors_directory(),
            replace=replace,
            keystore=keystore,
        )
    return RestoredRoom(keks=keks, home=place, room_epoch=epoch, owner=heir, replaced=aside, **about(contents, start))


def authorise(owner: str, request: Request) -> None:
    """Raises AccessDenied where whoever restores the room could not use it."""
    decision = judge(OwnerPolicy(owner, os_user_beside(owner)), request, Action.RESTORE_ROOM, Resource())
    if not decision.allowed:
        raise AccessDenied(f"{decision.reason}; --owner {os_user()} gives the room to you, and records it")


def note(
    contents: Contents, document: RootDocument, keys: str, home: StrPath | None, unlock: Unlock, reason: str | None
) -> bool:
    """Let the room know that its backup was verified. False where there is none, or it opens with something else by now."""
    place = as_home(home)
    try:
        if read_room_id(place) != contents.dump.room:
            return False
        with Room(place, unlock, purpose="backup verify") as room:
            room.backup_verified(contents.id, contents.dump.epoch, contents.dump.digest, reason=reason)
    except StrongroomError:
        return False
    note_verified(place, standing_of(contents, document, keys))
    return True


def about(contents: Contents, start: float) -> dict[str, Any]:
    """What every result says of a backup."""
    tables = [table for table, _ in contents.dump.rows]
    return {
        "id": contents.id,
        "room_id": contents.dump.room,
        "taken": contents.taken,
        "epoch": contents.dump.epoch,
        "state": contents.dump.digest,
        "keys": tables.count("keys"),
        "versions": tables.count("key_versions"),
        "seconds": time.perf_counter() - start,
    }
