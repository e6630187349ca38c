"""The file of a backup: an AWS Encryption SDK message under a key of the root, with the sealed root in its context.

Specified in docs/spec/backup.md.
"""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.errors import AuthenticationFailed, RoomTampered, TargetExists, UnsupportedFormat
from strongroom.home import Unlock, unlocking
from strongroom.keys import BACKUP_KEYS, BACKUP_NAMESPACE, backup_key_name
from strongroom.providers import RootDocument
from strongroom.recovery.document import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.keyservice import Export
    from strongroom.providers import OpenRoot
    from strongroom.recovery.document import Contents

    StrPath = str | os.PathLike[str]


def write(path: StrPath, export: Export, contents: Contents) -> int:
    """Write a backup, mode 0600, whole and durable or not at all. Gives its size. Raises TargetExists."""
    writer = crypto.MessageWriter(export.materials, os.fspath(path))
    try:
        writer.write(pack(contents))
        return writer.finish().message_bytes
    except BaseException:
        writer.abort()
        raise


def refuse_existing(path: StrPath) -> None:
    """Raises TargetExists for a path that is taken."""
    raise TargetExists(f"{os.fspath(path)} is there already, and backups are never replaced: name another file")


@contextmanager
def opened(path: StrPath, unlock: Unlock) -> Iterator[tuple[OpenRoot, RootDocument, Contents]]:
    """The root of a backup, the sealed root that it came from, and what the backup holds; the root is wiped at the end.

    Raises BadPassphrase, RoomLocked, AuthenticationFailed, UnsupportedFormat for a message that is no backup.
    """
    message = Path(os.fsdecode(path)).read_bytes()
    header = crypto.Header.parse(message)
    if set(header.context) != set(BACKUP_KEYS):
        raise UnsupportedFormat("this is a message, and not a backup of a room")
    room_id = header.context["strongroom-room"]
    document = RootDocument.parse(header.context["strongroom-root"], room_id)
    # a stranger may have written it, who must not choose what code runs here: a token is named by the caller
    with unlocking(unlock, trusts_locations=False) as unlocked:
        root = unlocked(document.current)
    try:
        contents = unpack(decrypted(message, header, root, room_id))
        if (contents.dump.room, contents.id) != (room_id, header.context["strongroom-backup"]):
            raise RoomTampered("the backup is not of the room that its header names")
        yield root, document, contents
    finally:
        root.close()


def decrypted(message: bytes, header: crypto.Header, root: OpenRoot, room_id: str) -> bytes:
    """The body of a backup."""
    key = root.backup_key()
    try:
        [edk] = header.edks
        data_key = key.unwrap(edk, BACKUP_NAMESPACE, backup_key_name(room_id, root.version), header.context)
    except ValueError:
        raise AuthenticationFailed("authentication failed") from None
    finally:
        key.close()
    return crypto.decrypt(header, crypto.DecryptionMaterials(header, data_key), message)
