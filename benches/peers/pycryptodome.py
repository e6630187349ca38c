"""PyCryptodome."""

from __future__ import annotations

from benches.harness.row import Unavailable
from benches.peers.frame import TAG, FramePeer


def peer() -> FramePeer:
    """AES-GCM with `output=`."""
    try:
        from Crypto.Cipher import AES
    except ImportError:
        raise Unavailable("pip install pycryptodome") from None

    def cipher(number: int):  # type: ignore[no-untyped-def]
        return AES.new(bytes(32), AES.MODE_GCM, nonce=number.to_bytes(12, "big"))

    def seal(number: int, plaintext: memoryview, out: memoryview) -> None:
        one = cipher(number)
        one.encrypt(plaintext, output=out[:-TAG])
        out[-TAG:] = one.digest()

    def unseal(number: int, sealed: memoryview, out: memoryview) -> None:
        one = cipher(number)
        one.decrypt(sealed[:-TAG], output=out)
        one.verify(sealed[-TAG:])

    return FramePeer("PyCryptodome", seal, unseal, share=1 / 16)
