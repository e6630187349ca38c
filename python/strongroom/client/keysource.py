"""Keys for one call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import DecryptionMaterials, EncryptionMaterials, Header
    from strongroom.materials.room import RoomMaterials
    from strongroom.model import Request


@dataclass(frozen=True, slots=True)
class KeySource:
    """Whom a call is for, of which class its data is, and under which context: all that materials depend on.

    In a tree, Rust asks it once for many small messages.
    """

    materials: RoomMaterials
    request: Request
    data_class: str
    context: Mapping[str, str] | None

    def encryption(self, plaintext_bytes: int, messages: int = 1) -> EncryptionMaterials:
        """Materials for so many messages of so many bytes in all, 0 where nobody knows yet."""
        return self.materials.for_encryption(
            self.request, self.data_class, self.context, messages=messages, size=plaintext_bytes
        )

    def decryption(self, header: Header, message_bytes: int = 0, messages: int = 1) -> DecryptionMaterials:
        """Materials for so many messages with data keys and context of this header, of so many bytes in all."""
        return self.materials.for_decryption(self.request, header, self.context, size=message_bytes, messages=messages)
