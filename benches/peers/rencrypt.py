"""rencrypt: ring behind Python, our nearest relative."""

from __future__ import annotations

from benches.harness.row import Unavailable
from benches.peers.frame import TAG, FramePeer


def peer() -> FramePeer:
    """ring's AES-256-GCM, from the caller's buffer into the caller's buffer."""
    try:
        import numpy as np
        from rencrypt import Cipher, CipherMeta, RingAlgorithm
    except ImportError:
        raise Unavailable("pip install rencrypt numpy") from None
    cipher = Cipher(CipherMeta.Ring(RingAlgorithm.Aes256Gcm), bytearray(32))

    def seal(number: int, plaintext: memoryview, out: memoryview) -> None:
        cipher.seal_in_place_from(np.frombuffer(plaintext, np.uint8), np.frombuffer(out, np.uint8), number)

    def unseal(number: int, sealed: memoryview, out: memoryview) -> None:
        cipher.open_in_place_from(np.frombuffer(sealed, np.uint8), np.frombuffer(out, np.uint8), number)

    return FramePeer("rencrypt (ring)", seal, unseal, overhead=TAG + 12, room=TAG + 12, threads=(1, 2))
