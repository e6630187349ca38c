"""Anything contiguous goes in and out; nothing else does; huge buffers work."""

from __future__ import annotations

import array
import mmap
from pathlib import Path

import numpy as np
import pytest
from strongroom.client import (
    decrypt_message,
    decrypt_message_into,
    encrypt_message,
    encrypt_message_into,
    encrypted_size,
)
from strongroom.errors import AuthenticationFailed, Misuse
from strongroom.keyring import RawAesKeyring

KEYRING = RawAesKeyring("tests", "key", bytes(32))
DATA = bytes(range(256)) * 1000
MEMORY_KIB = {line.split(":")[0]: int(line.split()[1]) for line in Path("/proc/meminfo").read_text().splitlines()}


def test_every_kind_of_buffer(tmp_path: Path) -> None:
    path = tmp_path / "mapped"
    path.write_bytes(DATA)
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    kinds = [
        DATA,
        bytearray(DATA),
        memoryview(DATA),
        memoryview(DATA).toreadonly(),
        mapped,
        array.array("I", DATA),
        np.frombuffer(DATA, dtype=np.uint64).reshape(10, -1),
        np.frombuffer(DATA, dtype=np.float32),
    ]
    for kind in kinds:
        message = encrypt_message(kind, KEYRING)
        assert decrypt_message(message, KEYRING) == DATA
        assert decrypt_message(memoryview(bytearray(message)), KEYRING) == DATA


def test_into_every_kind_of_writable_buffer() -> None:
    message = encrypt_message(DATA, KEYRING)
    for out in (
        bytearray(len(DATA)),
        memoryview(bytearray(len(DATA))),
        np.zeros(len(DATA) // 8),
        mmap.mmap(-1, len(DATA)),
    ):
        assert decrypt_message_into(message, out, KEYRING) == len(DATA)
        assert bytes(memoryview(out).cast("B")) == DATA


def test_what_does_not_fit_is_refused_before_anything_is_written() -> None:
    message = encrypt_message(DATA, KEYRING)
    small = bytearray(len(DATA) - 1)
    with pytest.raises(Misuse, match="are needed"):
        decrypt_message_into(message, small, KEYRING)
    assert not any(small)
    with pytest.raises(Misuse, match="are needed"):
        encrypt_message_into(DATA, small, KEYRING)
    with pytest.raises(BufferError, match="read-only"):
        decrypt_message_into(message, bytes(len(DATA)), KEYRING)
    with pytest.raises(BufferError, match="not contiguous"):
        encrypt_message(np.zeros((100, 100))[:, ::2], KEYRING)
    with pytest.raises(TypeError):
        encrypt_message("text", KEYRING)  # type: ignore[arg-type]
    shared = bytearray(encrypted_size(100, KEYRING) + 100)
    with pytest.raises(Misuse, match="share memory"):
        encrypt_message_into(memoryview(shared)[:100], shared, KEYRING)


@pytest.mark.skipif(MEMORY_KIB["MemAvailable"] < 10 << 20, reason="needs 10 GiB of free memory")
def test_past_4_gib() -> None:
    """An anonymous mapping stands in for data: its zero pages cost memory only where they are written."""
    length = (4 << 30) + 12_345
    source = mmap.mmap(-1, length)
    source[-5:] = b"end!!"
    message = mmap.mmap(-1, encrypted_size(length, KEYRING))
    assert encrypt_message_into(source, message, KEYRING) == len(message)
    source.close()
    plaintext = mmap.mmap(-1, length)
    assert decrypt_message_into(message, plaintext, KEYRING) == length
    assert plaintext[-5:] == b"end!!"
    assert not any(plaintext[: 1 << 20])
    message[len(message) // 2] = message[len(message) // 2] ^ 1
    with pytest.raises(AuthenticationFailed):
        decrypt_message_into(message, plaintext, KEYRING)
    assert plaintext[-5:] == bytes(5)
    message.close()
    plaintext.close()
