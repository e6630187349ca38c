"""What leaves the keyservice for a backup: wrapped keys and the materials to encrypt them with, never a key in clear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.crypto import DataKey, EncryptionMaterials
from strongroom.keys import BACKUP_NAMESPACE, backup_key_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from strongroom.audit import Head
    from strongroom.keystore import Dump
    from strongroom.providers import OpenRoot, RootDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """The keystore, the end of the audit trail, and the materials of one message that may hold them."""

    id: str
    taken: datetime
    dump: Dump
    root: RootDocument
    audit: Head
    materials: EncryptionMaterials


def backup_materials(root: OpenRoot, room_id: str, context: Mapping[str, str]) -> EncryptionMaterials:
    """A fresh data key under the root's key for backups."""
    data_key, key = DataKey.generate(), root.backup_key()
    try:
        edk = key.wrap(data_key, BACKUP_NAMESPACE, backup_key_name(room_id, root.version), context)
    finally:
        key.close()
    return EncryptionMaterials(SUITE, data_key, [edk], context, frame_length=FRAME_LENGTH)


def backup_context(backup_id: str, room_id: str, document: RootDocument, taken: datetime) -> dict[str, str]:
    """What stands in the clear, authenticated: whose backup it is, and the sealed root that opens it."""
    return {
        "strongroom-backup": backup_id,
        "strongroom-room": room_id,
        "strongroom-root": document.content().decode("ascii"),
        "strongroom-taken": taken.isoformat(timespec="seconds"),
    }


SUITE = 0x0478
FRAME_LENGTH = 65536
