"""Tink for Python: its AEAD here; its streaming AEAD is a peer of files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.harness.row import Unavailable
from benches.peers.frame import FramePeer
from benches.peers.message import MessagePeer

if TYPE_CHECKING:
    from typing import Any


def peer() -> FramePeer:
    """AES-256-GCM from a keyset; it draws its own nonces."""
    primitive = loaded()
    sealed: dict[int, bytes] = {}
    opened: dict[int, bytes] = {}

    def seal(number: int, plaintext: memoryview, _out: memoryview) -> None:
        sealed[number] = primitive.encrypt(bytes(plaintext), b"")

    def unseal(number: int, _sealed: memoryview, _out: memoryview) -> None:
        opened[number] = primitive.decrypt(sealed[number], b"")

    def forget() -> None:
        sealed.clear()
        opened.clear()

    return FramePeer("tink AEAD", seal, unseal, share=1 / 8, forget=forget)


def record() -> MessagePeer:
    """One short record under a long-lived key: no data key, no key derivation, no context."""
    primitive = loaded()
    return MessagePeer(
        "tink AEAD (a record, not a message)",
        lambda plaintext: primitive.encrypt(plaintext, b""),
        lambda sealed: primitive.decrypt(sealed, b""),
    )


def loaded() -> Any:
    """The primitive of a new keyset."""
    try:
        import tink
        from tink import aead
    except ImportError:
        raise Unavailable("pip install tink") from None
    aead.register()
    return tink.new_keyset_handle(aead.aead_key_templates.AES256_GCM).primitive(aead.Aead)
