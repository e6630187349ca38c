"""Peers that turn one short plaintext into one ciphertext, and back, a call each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class MessagePeer:
    """Both calls return new bytes."""

    name: str
    seal: Callable[[bytes], bytes]
    open: Callable[[bytes], bytes]
    share: float = 1.0
    """The part of many messages that is enough to time it."""

    def check(self, plaintext: bytes) -> None:
        """What is opened is what was sealed."""
        sealed = self.seal(plaintext)
        if plaintext in sealed or self.open(sealed) != plaintext:
            raise AssertionError(f"{self.name} does not give back what it was given")
