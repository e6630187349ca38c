"""A KEK that is an object in a token: how the keystore names it. Specified in docs/spec/room.md, "KEKs in tokens"."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from strongroom.errors import RoomTampered

IN_TOKEN = 0
"""The root version of a KEK that no root has wrapped, since it is in a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenKek:
    """Which key in which token a KEK is, and how it wraps; whether the token insists on making the nonces."""

    uri: str
    scheme: str
    token_nonce: bool = False

    def stored(self) -> bytes:
        """As the keystore holds it in the place of a wrapped KEK: JSON, keys sorted, no spaces."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def from_stored(cls, stored: bytes) -> TokenKek:
        """What `stored` names. Raises RoomTampered for what nobody has written."""
        try:
            kek = cls(**json.loads(stored))
            if kek.stored() == stored:
                return kek
        except (ValueError, TypeError):
            pass
        raise RoomTampered("the keystore names a KEK in a token in a way that nobody here has written")
