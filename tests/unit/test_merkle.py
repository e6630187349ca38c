"""The tree of a log as Python sees it, against another implementation of RFC 6962 and of Ed25519."""

import hashlib
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from strongroom.crypto import (
    MacKey,
    ed25519_verify,
    merkle_check,
    merkle_consistency,
    merkle_continues,
    merkle_entries,
    merkle_grow,
    merkle_includes,
    merkle_inclusion,
)
from strongroom.errors import AuditTampered, AuthenticationFailed, KeyUnavailable, MalformedMessage, Misuse

EMPTY = hashlib.sha256(b"").digest()


def root_of(entries: list[bytes]) -> bytes:
    """RFC 6962, section 2.1."""
    if len(entries) < 2:
        return hashlib.sha256(b"\0" + entries[0]).digest() if entries else EMPTY
    k = 1 << (len(entries) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + root_of(entries[:k]) + root_of(entries[k:])).digest()


def grow(folder: Path, size: int, root: bytes, entries: list[bytes]) -> tuple[int, bytes]:
    files, size, root = merkle_grow(folder, size, root, entries)
    for name, content in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return size, root


@pytest.fixture
def entries() -> list[bytes]:
    return [f"entry {number}".encode() for number in range(700)]


def test_a_log_grows_and_verifies(tmp_path: Path, entries: list[bytes]) -> None:
    size, root = grow(tmp_path, 0, EMPTY, entries[:300])
    assert (size, root) == (300, root_of(entries[:300]))
    size, root = grow(tmp_path, size, root, entries[300:])
    assert (size, root) == (700, root_of(entries))
    assert merkle_check(tmp_path, 0, 700, [0, 300]) == (root, [EMPTY, root_of(entries[:300])])
    assert merkle_entries((tmp_path / "tile/entries/002.p/188").read_bytes()) == entries[512:]
    path = merkle_inclusion(tmp_path, 299, 700)
    assert merkle_includes(entries[299], 299, 700, path, root)
    assert not merkle_includes(entries[298], 299, 700, path, root)
    path = merkle_consistency(tmp_path, 300, 700)
    assert merkle_continues(300, root_of(entries[:300]), 700, root, path)
    assert not merkle_continues(300, root, 700, root, path)


def test_what_is_refused(tmp_path: Path, entries: list[bytes]) -> None:
    grow(tmp_path, 0, EMPTY, entries)
    with pytest.raises(AuditTampered, match="not those of the log"):
        merkle_grow(tmp_path, 700, EMPTY, [b"next"])
    (tmp_path / "tile/0/001").unlink()
    with pytest.raises(AuditTampered, match="tile/0/001 is missing"):
        merkle_check(tmp_path, 0, 700, [])
    with pytest.raises(Misuse, match="32 bytes"):
        merkle_grow(tmp_path, 700, b"short", [])
    with pytest.raises(MalformedMessage):
        merkle_entries(b"\0\5four")


def test_the_key_of_a_log_signs_as_ed25519_does() -> None:
    mac_key = MacKey.generate()
    key, same, other = (mac_key.log_key(binding) for binding in (b"log", b"log", b"other log"))
    public = key.public_key()
    assert public == same.public_key() != other.public_key()
    signature = key.sign(b"note")
    Ed25519PublicKey.from_public_bytes(public).verify(signature, b"note")
    ed25519_verify(public, b"note", signature)
    with pytest.raises(AuthenticationFailed):
        ed25519_verify(public, b"another", signature)
    with pytest.raises(InvalidSignature):
        Ed25519PublicKey.from_public_bytes(other.public_key()).verify(signature, b"note")
    assert repr(key) == "<LogKey>"
    key.close()
    with pytest.raises(KeyUnavailable):
        key.sign(b"note")
