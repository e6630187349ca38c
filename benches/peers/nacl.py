"""PyNaCl: libsodium's AES-256-GCM where the processor has AES, which is its fastest."""

from __future__ import annotations

from benches.harness.row import Unavailable
from benches.peers.frame import FramePeer


def peer() -> FramePeer:
    """It takes and returns bytes only; copying them in and out is part of using it."""
    try:
        from nacl import bindings
    except ImportError:
        raise Unavailable("pip install PyNaCl") from None
    key = bytes(32)
    sealed: dict[int, bytes] = {}
    opened: dict[int, bytes] = {}

    def seal(number: int, plaintext: memoryview, _out: memoryview) -> None:
        nonce = number.to_bytes(12, "big")
        sealed[number] = bindings.crypto_aead_aes256gcm_encrypt(bytes(plaintext), None, nonce, key)

    def unseal(number: int, _sealed: memoryview, _out: memoryview) -> None:
        opened[number] = bindings.crypto_aead_aes256gcm_decrypt(sealed[number], None, number.to_bytes(12, "big"), key)

    def forget() -> None:
        sealed.clear()
        opened.clear()

    return FramePeer("PyNaCl AES-256-GCM", seal, unseal, share=1 / 8, forget=forget)
