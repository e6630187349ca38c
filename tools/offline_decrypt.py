"""Decrypts a message of a room without Strongroom: needs this file and `cryptography`, and docs/spec says why it works.

    python3 offline_decrypt.py ROOM SRC DST (--key-file | --recovery-file | --passphrase-file) FILE

ROOM is a copy of the room's directory, SRC a message, DST a file that is not there yet. It reads and changes nothing
else. It does not check whether the keystore was tampered with, and it holds keys in memory that is not locked: it is for
the day when Strongroom itself is not to be had.
"""

from __future__ import annotations

import argparse
import base64
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

if TYPE_CHECKING:
    from collections.abc import Iterator


def main() -> None:
    """Take the arguments, and write DST whole or not at all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("room", "source", "target"):
        parser.add_argument(name, type=Path)
    for kind in KINDS:
        parser.add_argument(f"--{kind}", type=Path)
    arguments = parser.parse_args()
    given = [(kind, path) for kind in KINDS if (path := getattr(arguments, kind.replace("-", "_"))) is not None]
    if len(given) != 1:
        parser.error("give one of " + ", ".join(f"--{kind}" for kind in KINDS))
    [(kind, path)] = given
    root = unseal(arguments.room, KINDS[kind], read_secret(kind, path))
    with arguments.source.open("rb") as source, arguments.target.open("xb") as target:
        try:
            for plaintext in decrypt(arguments.room, root, source):
                target.write(plaintext)
        except BaseException:
            arguments.target.unlink()
            raise


def read_secret(kind: str, path: Path) -> bytes:
    """A key file as it is; a passphrase without the newline at its end."""
    content = path.read_bytes()
    if kind != "passphrase-file":
        return content
    return content[:-2] if content.endswith(b"\r\n") else content.removesuffix(b"\n")


# --- the room: docs/spec/room.md ---------------------------------------------------------------------------------------


class Root(NamedTuple):
    """The opened root key."""

    room: str
    version: int
    key: bytes


def unseal(home: Path, kind: str, secret: bytes) -> Root:
    """The root key in `root.json`, opened by a secret of this kind."""
    document = json.loads((home / "root.json").read_bytes())
    room, version = document["room"], document["root_version"]
    for entry in document["entries"]:
        if entry["kind"] != kind:
            continue
        parameters = entry["parameters"]
        named = [part for name in sorted(parameters) for part in (name, str(parameters[name]))]
        aad = bind("root", room, str(version), kind, *named)
        return Root(room, version, unwrap(sealing_key(parameters, secret), base64.b64decode(entry["sealed"]), aad))
    raise SystemExit(f"this room has no {kind}")


def sealing_key(parameters: dict[str, Any], secret: bytes) -> bytes:
    """The key that seals the root, out of a secret."""
    salt = bytes.fromhex(parameters["salt"])
    if parameters["kdf"] == "hkdf-sha256":
        return HKDF(hashes.SHA256(), 32, salt, b"strongroom/v1/seal").derive(secret)
    cost = {"iterations": parameters["passes"], "lanes": parameters["lanes"], "memory_cost": parameters["memory_kib"]}
    return Argon2id(salt=salt, length=32, **cost).derive(secret)


def unwrap_kek(home: Path, root: Root, key_id: str, version: int) -> bytes:
    """A KEK version out of the keystore."""
    keystore = sqlite3.connect(f"{(home / 'keystore.db').absolute().as_uri()}?mode=ro", uri=True)
    query = "SELECT root_version, wrapped_kek FROM key_versions WHERE key_id = ? AND version = ?"
    row = keystore.execute(query, (key_id, version)).fetchone()
    if row is None:
        raise SystemExit(f"this room has no version {version} of key {key_id}")
    key = HKDF(hashes.SHA256(), 32, None, b"strongroom/v1/kek").derive(root.key)
    return unwrap(key, row[1], bind("kek", root.room, str(row[0]), key_id, str(version)))


def bind(purpose: str, *fields: str) -> bytes:
    """Associated data: each field behind its length, 4 bytes big-endian."""
    encoded = [field.encode() for field in (f"strongroom/1/{purpose}", *fields)]
    return b"".join(len(field).to_bytes(4, "big") + field for field in encoded)


def unwrap(key: bytes, wrapped: bytes, aad: bytes) -> bytes:
    """AES-256-GCM with the nonce in front."""
    return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], aad)


# --- the message: docs/spec/message.md ---------------------------------------------------------------------------------


class Reader:
    """Reads a message. Remembers the header body for its tag, and the digest of everything for the signature."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._digest = hashes.Hash(hashes.SHA384())
        self.body = b""

    def take(self, length: int) -> bytes:
        """The next `length` bytes."""
        data = self._source.read(length)
        if len(data) != length:
            raise SystemExit("the message is truncated")
        self._digest.update(data)
        return data

    def header(self, length: int) -> bytes:
        """The next bytes of the header body."""
        data = self.take(length)
        self.body += data
        return data

    def number(self, length: int) -> int:
        """The next number of the header body."""
        return int.from_bytes(self.header(length), "big")

    def field(self) -> bytes:
        """The next field of the header body, behind its length of 2 bytes."""
        return self.header(self.number(2))

    def digest(self) -> bytes:
        """SHA-384 of all that was read."""
        return self._digest.copy().finalize()

    def end(self) -> None:
        """Nothing stands behind the message."""
        if self._source.read(1):
            raise SystemExit("something stands behind the end of the message")


def decrypt(home: Path, root: Root, source: BinaryIO) -> Iterator[bytes]:
    """The plaintext, frame by frame; the last frame only once the signature, if there is one, was verified."""
    reader = Reader(source)
    version, suite, message_id = reader.number(1), reader.number(2), reader.header(32)
    if version != 2 or suite not in SUITES:
        raise SystemExit("this is not a message that a room has written")
    context = reader.field()
    edks = [(reader.field(), reader.field(), reader.field()) for _ in range(reader.number(2))]
    content_type, frame_length, commitment = reader.number(1), reader.number(4), reader.header(32)
    data_key = unwrap_data_key(home, root, edks, context)
    if content_type != 2 or not constant_time.bytes_eq(commitment, derive(data_key, message_id, b"COMMITKEY")):
        raise SystemExit("the message is not framed, or its commitment does not match")
    cipher = AESGCM(derive(data_key, message_id, suite.to_bytes(2, "big") + b"DERIVEKEY"))
    cipher.decrypt(bytes(12), reader.take(16), reader.body)
    for plaintext, final in frames(reader, cipher, message_id, frame_length):
        if final:
            if SUITES[suite] == "signed":
                verify_signature(reader, context)
            reader.end()
        yield plaintext


def unwrap_data_key(home: Path, root: Root, edks: list[tuple[bytes, bytes, bytes]], context: bytes) -> bytes:
    """The data key, out of the first EDK of a room."""
    for provider, info, wrapped in edks:
        if provider == b"strongroom":
            key_id, _, version = info[:-20].decode().partition("/")
            return AESGCM(unwrap_kek(home, root, key_id, int(version))).decrypt(info[-12:], wrapped, context)
    raise SystemExit("the message was not encrypted under a key of a room")


def derive(data_key: bytes, message_id: bytes, info: bytes) -> bytes:
    """The content key or the commitment."""
    return HKDF(hashes.SHA512(), 32, message_id, info).derive(data_key)


def frames(reader: Reader, cipher: AESGCM, message_id: bytes, frame_length: int) -> Iterator[tuple[bytes, bool]]:
    """The plaintext of each frame, and whether it is the final one."""
    final, number = False, 0
    while not final:
        number += 1
        mark = reader.take(4)
        final = mark == b"\xff\xff\xff\xff"
        found, nonce = reader.take(4) if final else mark, reader.take(12)
        length = int.from_bytes(reader.take(4), "big") if final else frame_length
        if int.from_bytes(found, "big") != number or length > frame_length:
            raise SystemExit(f"frame {number} is not there")
        name = b"AWSKMSEncryptionClient " + (b"Final Frame" if final else b"Frame")
        aad = message_id + name + number.to_bytes(4, "big") + length.to_bytes(8, "big")
        yield cipher.decrypt(nonce, reader.take(length + 16), aad), final


def verify_signature(reader: Reader, context: bytes) -> None:
    """ECDSA with P-384 over all that was read, under the key that stands in the context."""
    digest = reader.digest()
    signature = reader.take(int.from_bytes(reader.take(2), "big"))
    at, parts = 2, []
    while at < len(context):
        length = int.from_bytes(context[at : at + 2], "big")
        parts.append(context[at + 2 : at + 2 + length])
        at += 2 + length
    point = base64.b64decode(dict(zip(parts[::2], parts[1::2], strict=True))[b"aws-crypto-public-key"])
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point)
    key.verify(signature, digest, ec.ECDSA(Prehashed(hashes.SHA384())))


KINDS = {"key-file": "key-file", "recovery-file": "recovery-kit", "passphrase-file": "passphrase"}
SUITES = {0x0478: "not signed", 0x0578: "signed"}

if __name__ == "__main__":
    main()
