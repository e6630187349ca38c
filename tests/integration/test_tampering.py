"""Every bit, every cut and every rearrangement of frames, through files, ranges and streams of the public API.

The Rust tests do the same in memory and as a stream, for both suites.
"""

from __future__ import annotations

import io
import itertools
from typing import TYPE_CHECKING

import pytest
from strongroom import crypto
from strongroom.client import decrypt_message, encrypt_message
from strongroom.errors import StrongroomError
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KEYRING = RawAesKeyring("tests", "key", bytes(32))
FRAME = 32
PLAINTEXT = bytes(range(3 * FRAME + 5))
POLICY = "require-encrypt-require-decrypt"


def altered(message: bytes, other: bytes) -> Iterator[bytes]:
    """All alterations of a message of four frames; `other` is one of the same key and lengths."""
    for bit in range(len(message) * 8):
        changed = bytearray(message)
        changed[bit // 8] ^= 1 << (bit % 8)
        yield bytes(changed)
    for end in range(len(message)):
        yield message[:end]
    yield message + b"\0"
    header, frames, theirs = len(crypto.Header.parse(message)), *map(split, (message, other))
    for i, j in itertools.permutations(range(len(frames)), 2):
        swapped = list(frames)
        swapped[i], swapped[j] = swapped[j], swapped[i]
        if i < j:
            yield message[:header] + b"".join(swapped)
    for i in range(len(frames)):
        yield message[:header] + b"".join(frames[:i] + frames[i + 1 :])
        yield message[:header] + b"".join(frames[: i + 1] + frames[i:])
        yield message[:header] + b"".join(frames[:i] + theirs[i : i + 1] + frames[i + 1 :])


def split(message: bytes) -> list[bytes]:
    start, stride = len(crypto.Header.parse(message)), FRAME + 32
    regular = [message[start + i * stride : start + (i + 1) * stride] for i in range(3)]
    return [*regular, message[start + 3 * stride :]]


@pytest.mark.parametrize("suite", [0x0478, 0x0578])
def test_every_reader_refuses_every_alteration(suite: int, tmp_path: Path) -> None:
    message = encrypt_message(PLAINTEXT, KEYRING, suite=suite, frame_length=FRAME)
    other = encrypt_message(PLAINTEXT[::-1], KEYRING, suite=suite, frame_length=FRAME)
    path, target = tmp_path / "message", tmp_path / "plaintext"
    count = 0
    for forged in altered(message, other):
        path.write_bytes(forged)
        with pytest.raises(StrongroomError):
            decrypt_message(forged, KEYRING)
        with pytest.raises(StrongroomError):
            _decrypt_file(path, target)
        assert not target.exists()
        released = io.BytesIO()
        with pytest.raises(StrongroomError):
            _decrypt_stream(forged, released)
        assert PLAINTEXT.startswith(released.getvalue())
        assert len(released.getvalue()) % FRAME == 0
        if suite == 0x0478:
            _read_ranges(path)
        count += 1
    print(f"0x{suite:04x}: {count} alterations refused")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["message"]


def _decrypt_file(path: Path, target: Path) -> None:
    message = crypto.MessageFile.open(path)
    materials = decryption_materials(message.header, KEYRING, context=None, commitment_policy=POLICY)
    message.decrypt(materials, target)


def _decrypt_stream(message: bytes, out: io.BytesIO) -> None:
    incoming = crypto.IncomingMessage.open(io.BytesIO(message))
    materials = decryption_materials(incoming.header, KEYRING, context=None, commitment_policy=POLICY)
    incoming.decrypt(materials, out)


def _read_ranges(path: Path) -> None:
    """A ranged reader answers for the frames it reads: each range is right, or refused; not all can be right."""
    refused = 0
    try:
        header = crypto.MessageFile.open(path).header
        materials = decryption_materials(header, KEYRING, context=None, commitment_policy=POLICY)
        reader = crypto.RangedReader.open(path, header, materials)
    except StrongroomError:
        return
    for frame in range(4):
        try:
            assert reader.read(frame * FRAME, FRAME) == PLAINTEXT[frame * FRAME : (frame + 1) * FRAME]
        except StrongroomError:
            refused += 1
    assert refused
