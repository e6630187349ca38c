"""Whose a wrapped data key is, where its scheme does not say: an RSA key wraps for whoever has its public half.

So the room adds a MAC, and unwraps nothing that has none of its own. Specified in docs/spec/room.md, "KEKs in tokens".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strongroom.crypto import Edk
from strongroom.keys import length_prefixed

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import DataKey
    from strongroom.providers.pkcs11 import TokenKekAtWork


class Signer(Protocol):
    """Has the room's MAC key, which only those have who can open the room."""

    def sign(self, said: bytes) -> bytes:
        """The MAC over `said`."""
        ...

    def verify(self, said: bytes, mac: bytes) -> None:
        """Raises AuthenticationFailed unless `mac` is the one over `said`."""
        ...


class OursAlone:
    """A KEK in a token whose wrapped keys count only with a MAC of this room."""

    def __init__(self, kek: TokenKekAtWork, signer: Signer, room_id: str) -> None:
        self._kek = kek
        self._signer = signer
        self._room_id = room_id

    def wrap(self, data_key: DataKey, namespace: str, name: str, context: Mapping[str, str]) -> Edk:
        """`data_key` wrapped and bound to `context`, with our MAC."""
        edk = self._kek.wrap(data_key, namespace, name, context)
        mac = self._signer.sign(self._said(name, edk.ciphertext))
        return Edk(edk.provider_id, edk.provider_info, edk.ciphertext + mac)

    def unwrap(self, edk: Edk, namespace: str, name: str, context: Mapping[str, str]) -> DataKey:
        """The data key in `edk`. Raises AuthenticationFailed, without asking the token for what somebody else has wrapped."""
        wrapped, mac = edk.ciphertext[:-MAC_LENGTH], edk.ciphertext[-MAC_LENGTH:]
        self._signer.verify(self._said(name, wrapped), mac)
        return self._kek.unwrap(Edk(edk.provider_id, edk.provider_info, wrapped), namespace, name, context)

    def close(self) -> None:
        """Let go of the token."""
        self._kek.close()

    def _said(self, name: str, wrapped: bytes) -> bytes:
        return length_prefixed(b"strongroom/1/edk", self._room_id.encode(), name.encode(), wrapped)


MAC_LENGTH = 32
