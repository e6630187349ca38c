"""Materials: what one operation may use. Suite, limits, context and data key, checked and cached."""

from strongroom.materials.context import check_context, reader_context
from strongroom.materials.raw import DEFAULT_FRAME_LENGTH, DEFAULT_SUITE, decryption_materials, encryption_materials
from strongroom.materials.room import RoomMaterials

__all__ = [
    "DEFAULT_FRAME_LENGTH",
    "DEFAULT_SUITE",
    "RoomMaterials",
    "check_context",
    "decryption_materials",
    "encryption_materials",
    "reader_context",
]
