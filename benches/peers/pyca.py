"""cryptography (pyca), whose AES-GCM is OpenSSL's."""

from __future__ import annotations

import os
from typing import Any

from benches.harness.row import Unavailable
from benches.peers.frame import FramePeer
from benches.peers.message import MessagePeer


def into() -> FramePeer:
    """Into the caller's buffer: the fastest that it offers."""
    cipher = _cipher()

    def seal(number: int, plaintext: memoryview, out: memoryview) -> None:
        cipher.encrypt_into(number.to_bytes(12, "big"), plaintext, None, out)

    def unseal(number: int, sealed: memoryview, out: memoryview) -> None:
        cipher.decrypt_into(number.to_bytes(12, "big"), sealed, None, out)

    return FramePeer("pyca AESGCM, into a buffer", seal, unseal, threads=(1, 2))


def allocating() -> FramePeer:
    """New bytes for each frame, as most people use it."""
    cipher = _cipher()
    sealed: dict[int, bytes] = {}
    opened: dict[int, bytes] = {}

    def seal(number: int, plaintext: memoryview, _out: memoryview) -> None:
        sealed[number] = cipher.encrypt(number.to_bytes(12, "big"), plaintext, None)

    def unseal(number: int, _sealed: memoryview, _out: memoryview) -> None:
        opened[number] = cipher.decrypt(number.to_bytes(12, "big"), sealed[number], None)

    def forget() -> None:
        sealed.clear()
        opened.clear()

    return FramePeer("pyca AESGCM, new bytes", seal, unseal, threads=(1, 2), share=1 / 4, forget=forget)


def record() -> MessagePeer:
    """A random nonce and what it seals under a long-lived key: no data key, no key derivation, no context."""
    cipher = _cipher()

    def seal(plaintext: bytes) -> bytes:
        nonce = os.urandom(12)
        sealed: bytes = cipher.encrypt(nonce, plaintext, None)
        return nonce + sealed

    return MessagePeer(
        "pyca AESGCM (a record, not a message)",
        seal,
        lambda sealed: cipher.decrypt(sealed[:12], sealed[12:], None),
    )


def _cipher() -> Any:
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise Unavailable("pip install cryptography") from None
    return AESGCM(bytes(32))
