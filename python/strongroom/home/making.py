"""Make a room, so that a crash at any point leaves a whole one or none.

The room is built in a directory beside its place and renamed into it as the last step. Directories that an earlier crash
left behind are swept away: each is locked by the process that builds in it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit import JsonLinesSink, RoomCreated, Who
from strongroom.crypto import Secret
from strongroom.errors import Misuse, RoomExists, StrongroomError, TargetExists
from strongroom.files import DIRECTORY_MODE, create_private, directory_descriptor, sync_directory
from strongroom.home.opening import ROOM_ID, RoomFile
from strongroom.home.places import (
    AUDIT_DIRECTORY,
    AUDIT_FILE,
    ROOM_FILE,
    ROOT_FILE,
    anchors_directory,
    as_home,
    os_user,
)
from strongroom.home.unlock import Unlock, resolve
from strongroom.keys import new_id
from strongroom.keyservice import Maker
from strongroom.keystore import Anchor, Keystore, check_url, forget_keystore, make_keystore
from strongroom.model import Request
from strongroom.providers import SecretKind, make_sealed_root

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.home.unlock import StrPath
    from strongroom.providers import SoftwareRoot


@dataclass(frozen=True, slots=True, kw_only=True)
class InitResult:
    """A new room. `recovery_words` are shown once and kept nowhere; None if they went to `recovery_file` instead."""

    room_id: str
    home: Path
    recovery_words: str | None = field(repr=False)
    recovery_file: Path | None
    key_file: Path | None


def init_room(
    home: StrPath | None = None,
    unlock: Unlock | None = None,
    *,
    make_key_file: StrPath | None = None,
    recovery_file: StrPath | None = None,
    keystore: str | None = None,
) -> InitResult:
    """Make a room at `home`, with the class `default` and its key.

    It opens with the passphrase or key file of `unlock`, with the key file written to `make_key_file`, and with the
    recovery kit. `keystore` is the URL of a PostgreSQL database for the keystore, without a password; None keeps it in the
    room. Raises RoomExists, TargetExists for a directory that is not empty or a key file that is there, and
    RoomLocked if there is nothing to open the room with later.
    """
    place = as_home(home).absolute()
    check_vacant(place)
    if keystore is not None:
        check_url(keystore)
    place.parent.mkdir(mode=DIRECTORY_MODE, parents=True, exist_ok=True)
    room = RoomFile(new_id(), keystore, datetime.now(UTC).isoformat(timespec="seconds"))
    with ExitStack() as cleanup:
        secrets = gather_secrets(unlock, make_key_file)
        for _, secret in secrets:
            cleanup.callback(secret.close)
        root, sealed = make_sealed_root(room.id, secrets)
        cleanup.callback(root.close)
        with building_site(place, room.id) as site, tables_forgotten(room):
            build(site, room, root, sealed)
            key_path, recovery_path = write_kits(secrets, make_key_file, recovery_file)
            words = None if recovery_path else recovery_kit(secrets).recovery_words()
            # the last step: whatever fails after it would leave a room whose recovery words nobody has seen
            move_in(site, place, [path for path in (key_path, recovery_path) if path is not None])
        return InitResult(
            room_id=room.id, home=place, recovery_words=words, recovery_file=recovery_path, key_file=key_path
        )


def check_vacant(place: Path) -> None:
    """Raises unless a room can be made at `place`."""
    if (place / ROOM_FILE).exists():
        raise RoomExists(f"there is a room at {place} already; it is left as it is")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise TargetExists(f"{place} is there and is not an empty directory: name another place for the room")


def gather_secrets(unlock: Unlock | None, make_key_file: StrPath | None) -> list[tuple[SecretKind, Secret]]:
    """All that will open the room: what the caller gave, a new key file if asked for, and a new recovery kit.

    Where a new key file is all that was asked for, the environment is not: it often names that very file.
    """
    given = unlock or Unlock()
    secrets = resolve(given) if make_key_file is None or not given.empty else []
    if any(len(secret) == 0 for _, secret in secrets):
        raise Misuse("an empty passphrase or key file protects nothing")
    if make_key_file is not None:
        secrets.append((SecretKind.KEY_FILE, Secret.random()))
    secrets.append((SecretKind.RECOVERY_KIT, Secret.random()))
    return secrets


@contextmanager
def building_site(place: Path, room_id: str) -> Iterator[Path]:
    """An empty private directory beside `place`, held by a lock while it is built in, and gone at the end."""
    prefix = f".{place.name}.init-"
    sweep(place.parent, prefix)
    site = place.parent / f"{prefix}{room_id}"
    site.mkdir(mode=DIRECTORY_MODE)
    try:
        with directory_descriptor(site) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield site
    except BaseException:
        Anchor.forget(anchors_directory(), room_id)
        raise
    finally:
        shutil.rmtree(site, ignore_errors=True)


@contextmanager
def tables_forgotten(room: RoomFile) -> Iterator[None]:
    """Takes away what a failure leaves in a database elsewhere. What cannot be removed hinders only the next room there."""
    try:
        yield
    except BaseException:
        if room.keystore is not None:
            with suppress(StrongroomError):
                forget_keystore(room.keystore, room.id)
        raise


def sweep(parent: Path, prefix: str) -> None:
    """Remove the sites of processes that are no more, and the anchors of the rooms that were to be."""
    for site in parent.glob(f"{prefix}*"):
        try:
            with directory_descriptor(site) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                room_id = site.name.removeprefix(prefix)
                if ROOM_ID.fullmatch(room_id):
                    Anchor.forget(anchors_directory(), room_id)
                shutil.rmtree(site, ignore_errors=True)
        except OSError:
            # in use, or not ours to remove: neither hinders the room that is being made
            continue


def build(site: Path, room: RoomFile, root: SoftwareRoot, sealed: bytes) -> None:
    """Everything in a room's directory, durable."""
    now, owner, keystore_place = datetime.now(UTC), os_user(), room.place(site)
    create_private(site / ROOT_FILE, sealed)
    who = Who.of(Request(principal=owner, purpose="init", reason="make a room"), owner)
    make_keystore(keystore_place, room.id, owner, root, Maker(root, room.id, who, now).first())
    (site / AUDIT_DIRECTORY).mkdir(mode=DIRECTORY_MODE)
    # opening it once proves that it is whole, sets the anchor of this host, and begins the audit trail
    keystore = Keystore(keystore_place, room.id, root, anchors_directory())
    try:
        record_making(site / AUDIT_DIRECTORY / AUDIT_FILE, room.id, who, keystore)
    finally:
        keystore.close()
    create_private(site / ROOM_FILE, room.content())
    sync_directory(site)


def record_making(path: Path, room_id: str, who: Who, keystore: Keystore) -> None:
    """The first entries of the audit trail."""
    sink = JsonLinesSink(path, who.actor)
    try:
        sink.note(RoomCreated(who=who, room=room_id))
        keystore.deliver(lambda entries: sink.send([entry.line for entry in entries]))
    finally:
        sink.close()


def write_kits(
    secrets: list[tuple[SecretKind, Secret]], make_key_file: StrPath | None, recovery_file: StrPath | None
) -> tuple[Path | None, Path | None]:
    """Write the new key file and recovery file, before there is a room that only they open."""
    key_path = write_secret(secrets[-2][1], make_key_file) if make_key_file is not None else None
    try:
        recovery_path = write_secret(recovery_kit(secrets), recovery_file) if recovery_file is not None else None
    except BaseException:
        if key_path is not None:
            key_path.unlink()
        raise
    return key_path, recovery_path


def write_secret(secret: Secret, path: StrPath) -> Path:
    """Write `secret` to a new file, mode 0600, durable. Raises TargetExists."""
    target = Path(os.fsdecode(path)).absolute()
    if target.exists():
        raise TargetExists(f"{target} is there already, and key files are never replaced")
    secret.write_file(str(target))
    return target


def move_in(site: Path, place: Path, kits: list[Path]) -> None:
    """Rename the finished site into its place. If someone was faster, their room stays and our kits go."""
    try:
        site.rename(place)
    except OSError as error:
        for kit in kits:
            kit.unlink()
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise RoomExists(f"there is a room at {place} already; it is left as it is") from None
        raise
    sync_directory(place.parent)


def recovery_kit(secrets: list[tuple[SecretKind, Secret]]) -> Secret:
    """The recovery kit, which `gather_secrets` puts last."""
    return secrets[-1][1]
