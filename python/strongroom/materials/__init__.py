"""Materials: what one operation may use. Suite, limits, context and data key, checked and cached.

`strongroom.materials.room` holds the materials of a room, for those who open one.
"""

from strongroom.materials.caching import CachingKeyring
from strongroom.materials.context import check_context, reader_context
from strongroom.materials.raw import DEFAULT_FRAME_LENGTH, DEFAULT_SUITE, decryption_materials, encryption_materials

__all__ = [
    "DEFAULT_FRAME_LENGTH",
    "DEFAULT_SUITE",
    "CachingKeyring",
    "check_context",
    "decryption_materials",
    "encryption_materials",
    "reader_context",
]
