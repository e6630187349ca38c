"""A room is built beside its place and renamed into it as the last step, so that a crash leaves a whole one or none.

Directories that an earlier crash left behind are swept away: each is locked by the process that builds in it.
"""

from __future__ import annotations

import errno
import fcntl
import shutil
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from strongroom.errors import RoomExists, StrongroomError, TargetExists
from strongroom.files import DIRECTORY_MODE, directory_descriptor
from strongroom.home.places import ROOM_FILE
from strongroom.keystore import forget_keystore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


def check_vacant(place: Path) -> None:
    """Raises RoomExists or TargetExists unless a room can be made at `place`."""
    if (place / ROOM_FILE).exists():
        raise RoomExists(f"there is a room at {place} already; it is left as it is")
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise TargetExists(f"{place} is there and is not an empty directory: name another place for the room")


@contextmanager
def building_site(
    place: Path, kind: str, token: str, forget: Callable[[str], None] = lambda _token: None
) -> Iterator[Path]:
    """An empty private directory beside `place`, held by a lock while it is built in, and gone at the end.

    `forget` gets the token of each site that came to nothing, this one or an earlier.
    """
    prefix = f".{place.name}.{kind}-"
    sweep(place.parent, prefix, forget)
    site = place.parent / f"{prefix}{token}"
    site.mkdir(mode=DIRECTORY_MODE)
    try:
        with directory_descriptor(site) as descriptor:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield site
    except BaseException:
        forget(token)
        raise
    finally:
        shutil.rmtree(site, ignore_errors=True)


def sweep(parent: Path, prefix: str, forget: Callable[[str], None]) -> None:
    """Remove the sites of processes that are no more."""
    for site in parent.glob(f"{prefix}*"):
        try:
            with directory_descriptor(site) as descriptor:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                forget(site.name.removeprefix(prefix))
                shutil.rmtree(site, ignore_errors=True)
        except OSError:
            # in use, or not ours to remove: neither hinders the room that is being made
            continue


@contextmanager
def tables_forgotten(keystore: str | None, room_id: str) -> Iterator[None]:
    """Takes away what a failure leaves in a database elsewhere. What cannot be removed hinders only the next room there."""
    try:
        yield
    except BaseException:
        if keystore is not None:
            with suppress(StrongroomError):
                forget_keystore(keystore, room_id)
        raise


def move_in(site: Path, place: Path) -> None:
    """Rename the finished site into its place. If someone was faster, their room stays."""
    try:
        site.rename(place)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR}:
            raise RoomExists(f"there is a room at {place} already; it is left as it is") from None
        raise
