"""Make a room, so that a crash at any point leaves a whole one or none."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit import RoomCreated, Who
from strongroom.files import DIRECTORY_MODE, create_private, sync_directory
from strongroom.home.log import begin_log, new_log
from strongroom.home.opening import ROOM_ID, RoomFile
from strongroom.home.places import (
    ROOM_FILE,
    ROOT_FILE,
    anchors_directory,
    as_home,
    os_user,
)
from strongroom.home.site import building_site, check_vacant, move_in, tables_forgotten
from strongroom.home.unlock import Unlock, resolve
from strongroom.home.ways import Draft, NewWay, draft
from strongroom.keys import new_id
from strongroom.keyservice import first_change
from strongroom.keystore import Anchor, Keystore, check_url, make_keystore
from strongroom.model import Request
from strongroom.providers import RootDocument, Seal, make_sealed_root

if TYPE_CHECKING:
    from strongroom.home.unlock import StrPath
    from strongroom.keystore import LogRecord
    from strongroom.providers import OpenRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """A new room. `recovery_words` are shown once and kept nowhere; None if there is a `recovery_file` or no kit."""

    room_id: str
    home: Path
    recovery_words: str | None = field(repr=False)
    recovery_file: Path | None
    key_file: Path | None
    share_files: tuple[Path, ...] = ()


def init_room(
    home: StrPath | None = None,
    unlock: Unlock | None = None,
    *,
    make_key_file: StrPath | None = None,
    recovery_file: StrPath | None = None,
    keystore: str | None = None,
    recovery: bool = True,
    quorum: tuple[int, int] | None = None,
    share_directory: StrPath | None = None,
    root: str | None = None,
    existing: bool = False,
) -> InitResult:
    """Make a room at `home`, with the class `default` and its key.

    It opens with the passphrase or key file of `unlock`, with the key file written to `make_key_file`, with the recovery
    kit unless `recovery` is False, and with `quorum` (k, n): any k of n share files written to `share_directory`. `root` is the
    URI of a key that is made in a PKCS#11 token, or with `existing` is there already; then nothing else need be given.
    `keystore` is the URL of a PostgreSQL database for the keystore, without a password; None keeps it in the room. Raises
    RoomExists, TargetExists for a directory that is not empty or a key file that is there, and RoomLocked if there is
    nothing to open the room with later.
    """
    place = as_home(home).absolute()
    check_vacant(place)
    if keystore is not None:
        check_url(keystore)
    place.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    room = RoomFile(new_id(), keystore, datetime.now(UTC).isoformat(timespec="seconds"))
    with ExitStack() as cleanup, ExitStack() as tokens:
        drafts = gather(unlock, make_key_file, quorum, share_directory, root, cleanup)
        if root is not None:
            drafts.append(draft(NewWay(token=root, existing=existing)))
            tokens.callback(drafts[-1].abandon)
        kit = recovery_draft(recovery_file) if recovery else None
        if kit is not None:
            cleanup.callback(kit.close)
            drafts.append(kit)
        key, sealed = make_sealed_root(room.id, [way.seal for way in drafts])
        cleanup.callback(key.close)
        with (
            building_site(place, "init", room.id, forget) as site,
            tables_forgotten(room.keystore, room.id),
            ExitStack() as undo,
        ):
            build(site, place, room, key, RootDocument(sealed).content())
            # before there is a room that only they open
            for way in drafts:
                way.write()
                undo.callback(way.take_back)
            words = kit.words if kit is not None else None
            # the last step: whatever fails after it would leave a room whose recovery words nobody has seen
            move_in(site, place)
            undo.pop_all()
            tokens.pop_all()
        # outside: from the rename on, a failure takes nothing away any more
        sync_directory(place.parent)
        return InitResult(
            room_id=room.id,
            home=place,
            recovery_words=words,
            recovery_file=absolute(recovery_file),
            key_file=absolute(make_key_file),
            share_files=tuple(path for way in drafts if way.seal.threshold > 1 for _, path in way.files),
        )


def gather(
    unlock: Unlock | None,
    make_key_file: StrPath | None,
    quorum: tuple[int, int] | None,
    share_directory: StrPath | None,
    root: str | None,
    cleanup: ExitStack,
) -> list[Draft]:
    """All that will open the room but a token and the recovery kit: what the caller gave, a new key file, and shares.

    Where new files are all that was asked for, the environment is not: it often names that very key file.
    """
    given = unlock or Unlock()
    makes = make_key_file is not None or quorum is not None or root is not None
    secrets = [] if makes and given.empty else resolve(given)
    for _, secret in secrets:
        cleanup.callback(secret.close)
    drafts = [Draft(Seal(kind, (secret,))) for kind, secret in secrets]
    if make_key_file is not None:
        drafts.append(draft(NewWay(make_key_file=make_key_file)))
        cleanup.callback(drafts[-1].close)
    if quorum is not None or share_directory is not None:
        drafts.append(draft(NewWay(quorum=quorum, share_directory=share_directory)))
        cleanup.callback(drafts[-1].close)
    return drafts


def recovery_draft(path: StrPath | None) -> Draft:
    """A new recovery kit: words, or a file."""
    return draft(NewWay(recovery=True) if path is None else NewWay(make_recovery_file=path))


def absolute(path: StrPath | None) -> Path | None:
    """Where a file was written, if one was."""
    return None if path is None else Path(os.fsdecode(path)).absolute()


def build(site: Path, place: Path, room: RoomFile, root: OpenRoot, sealed: bytes) -> None:
    """Everything in the directory of the room that will be at `place`, durable."""
    now, owner, keystore_place = datetime.now(UTC), os_user(), room.place(site)
    create_private(site / ROOT_FILE, sealed)
    who = Who.of(Request(principal=owner, purpose="init", reason="make a room"), owner)
    log = new_log(place)
    first = replace(first_change(root, room.id, who, now), logs=(log,))
    make_keystore(keystore_place, room.id, owner, root, first)
    # opening it once proves that it is whole, sets the anchor of this host, and begins the audit log
    keystore = Keystore(keystore_place, room.id, root, anchors_directory())
    try:
        record_making(site, room.id, who, keystore, log)
    finally:
        keystore.close()
    create_private(site / ROOM_FILE, room.content())
    sync_directory(site)


def record_making(site: Path, room_id: str, who: Who, keystore: Keystore, log: LogRecord) -> None:
    """The first entries of the audit log."""
    sink = begin_log(site, room_id, keystore, who.actor, log)
    try:
        sink.note(RoomCreated(who=who, room=room_id))
        keystore.deliver(lambda entries: sink.send([entry.line for entry in entries]))
    finally:
        sink.close()


def forget(room_id: str) -> None:
    """Remove the anchor of a room that did not come to be."""
    if ROOM_ID.fullmatch(room_id):
        Anchor.forget(anchors_directory(), room_id)
