"""An offline reader of rooms and their messages, written from docs/spec/room.md and docs/spec/message.md.

Needs the package `cryptography` and nothing of Strongroom: what stands here is what a stranger would write to get their
data back. Reads messages of suite 0478. Run as a program: offline.py HOME KEY_FILE MESSAGE > PLAINTEXT
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import sqlite3
import struct
import sys
from pathlib import Path

from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256, SHA512
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

COLUMNS = {
    "meta": "id format room owner epoch root_version wrapped_mac_key members",
    "classes": "name key_id suite frame_length lease_seconds max_messages max_bytes created",
    "keys": "id data_class scope primary_version created",
    "key_versions": "key_id version state created active_until root_version wrapped_kek",
    "wrap_counters": "key_id version reserved",
}
KEY_COLUMNS = {"key_versions": 2, "wrap_counters": 2}


def open_room(home: Path, kind: str, secret: bytes) -> dict[str, bytes]:
    """Every KEK of a room by its name `<key id>/<version>`, after all that can be checked has been."""
    room = json.loads((home / "room.json").read_text())["room"]
    root, version = open_root(json.loads((home / "root.json").read_text()), room, kind, secret)
    database = sqlite3.connect(f"file:{home / 'keystore.db'}?mode=ro", uri=True)
    (meta,) = read(database, "meta")
    mac_key = unwrap(
        derive(root, b"strongroom/v1/mac"), meta["wrapped_mac_key"], lp("strongroom/1/mac-key", room, version)
    )
    check_rows(database, room, mac_key, meta)
    kek_wrapper = derive(root, b"strongroom/v1/kek")
    keks = {}
    for row in read(database, "key_versions"):
        binding = lp("strongroom/1/kek", room, row["root_version"], row["key_id"], row["version"])
        keks[f"{row['key_id']}/{row['version']}"] = unwrap(kek_wrapper, row["wrapped_kek"], binding)
    database.close()
    return keks


def open_root(document: dict, room: str, kind: str, secret: bytes) -> tuple[bytes, int]:
    """The root key out of root.json, by the entry of this kind."""
    version = document["root_version"]
    (entry,) = [entry for entry in document["entries"] if entry["kind"] == kind]
    parameters = entry["parameters"]
    salt = bytes.fromhex(parameters["salt"])
    if parameters["kdf"] == "argon2id":
        lanes, passes, memory = parameters["lanes"], parameters["passes"], parameters["memory_kib"]
        key = Argon2id(salt=salt, length=32, iterations=passes, lanes=lanes, memory_cost=memory).derive(secret)
    else:
        key = derive(secret, b"strongroom/v1/seal", salt)
    named = [part for name in sorted(parameters) for part in (name, parameters[name])]
    return unwrap(key, base64.b64decode(entry["sealed"]), lp("strongroom/1/root", room, version, kind, *named)), version


def check_rows(database: sqlite3.Connection, room: str, mac_key: bytes, meta: dict) -> None:
    """Row MACs, and the set of rows in the meta row."""
    check_row(room, mac_key, "meta", meta, meta["mac"])
    fields = list(split(meta["members"]))
    members = dict(zip(fields[::2], fields[1::2], strict=True))
    for table in ("classes", "keys", "key_versions"):
        for row in read(database, table):
            name = f"{table} " + "/".join(str(row[c]) for c in COLUMNS[table].split()[: KEY_COLUMNS.get(table, 1)])
            check_row(room, mac_key, table, row, row["mac"])
            check_row(room, mac_key, table, row, members.pop(name.encode()))
    if members:
        raise ValueError(f"missing rows: {list(members)}")
    for row in read(database, "wrap_counters"):
        check_row(room, mac_key, "wrap_counters", row, row["mac"])


def check_row(room: str, mac_key: bytes, table: str, row: dict, mac: bytes) -> None:
    said = [part for name in COLUMNS[table].split() for part in (name, typed(row[name]))]
    expected = hmac.digest(mac_key, lp("strongroom/1/row", room, table, *said), "sha256")
    if not hmac.compare_digest(expected, mac):
        raise ValueError(f"{table}: a row was changed")


def typed(value: object) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, int):
        return b"i" + value.to_bytes(8, "big", signed=True)
    return b"s" + value.encode() if isinstance(value, str) else b"b" + value


def read(database: sqlite3.Connection, table: str) -> list[dict]:
    columns = [*COLUMNS[table].split(), "mac"]
    return [
        dict(zip(columns, row, strict=True)) for row in database.execute(f"SELECT {', '.join(columns)} FROM {table}")
    ]


def decrypt(message: bytes, keks: dict[str, bytes]) -> bytes:
    """The plaintext of a message of suite 0478 under one of these KEKs."""
    suite, message_id, aad_length = struct.unpack(">xH32sH", message[:37])
    if message[0] != 2 or suite != 0x0478:
        raise ValueError("not a message of suite 0478")
    context = message[37 : 37 + aad_length]
    at = 37 + aad_length
    dek, (count,) = None, struct.unpack(">H", message[at : at + 2])
    at += 2
    for _ in range(count):
        fields = []
        for _ in range(3):
            length = int.from_bytes(message[at : at + 2], "big")
            fields.append(message[at + 2 : at + 2 + length])
            at += 2 + length
        provider, info, wrapped = fields
        kek = keks.get(info[:-20].decode(errors="replace"))
        if provider == b"strongroom" and kek is not None:
            dek = AESGCM(kek).decrypt(info[-12:], wrapped, context)
    if dek is None:
        raise ValueError("no KEK of this room wrapped the message's DEK")
    frame_length = int.from_bytes(message[at + 1 : at + 5], "big")
    commitment, end = message[at + 5 : at + 37], at + 37
    key = HKDF(SHA512(), 32, message_id, b"\x04\x78DERIVEKEY").derive(dek)
    if not hmac.compare_digest(HKDF(SHA512(), 32, message_id, b"COMMITKEY").derive(dek), commitment):
        raise ValueError("the message commits to another key")
    AESGCM(key).decrypt(bytes(12), message[end : end + 16], message[:end])
    return b"".join(frames(message[end + 16 :], AESGCM(key), message_id, frame_length))


def frames(body: bytes, cipher: AESGCM, message_id: bytes, frame_length: int):  # type: ignore[no-untyped-def]
    at, expected = 0, 1
    while True:
        final = body[at : at + 4] == b"\xff" * 4
        at += 4 * final
        number, nonce = struct.unpack(">I12s", body[at : at + 16])
        at += 16
        length = frame_length
        if final:
            length = int.from_bytes(body[at : at + 4], "big")
            at += 4
        label = b"AWSKMSEncryptionClient Final Frame" if final else b"AWSKMSEncryptionClient Frame"
        aad = message_id + label + struct.pack(">IQ", number, length)
        if number != expected or nonce != number.to_bytes(12, "big"):
            raise ValueError("frames are out of order")
        yield cipher.decrypt(nonce, body[at : at + length + 16], aad)
        at, expected = at + length + 16, expected + 1
        if final:
            if at != len(body):
                raise ValueError("bytes after the final frame")
            return


def unwrap(key: bytes, wrapped: bytes, binding: bytes) -> bytes:
    return AESGCM(key).decrypt(wrapped[:12], wrapped[12:], binding)


def derive(secret: bytes, info: bytes, salt: bytes | None = None) -> bytes:
    return HKDF(SHA256(), 32, salt, info).derive(secret)


def lp(*fields: object) -> bytes:
    parts = [field if isinstance(field, bytes) else str(field).encode() for field in fields]
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def split(packed: bytes):  # type: ignore[no-untyped-def]
    while packed:
        length = int.from_bytes(packed[:4], "big")
        yield packed[4 : 4 + length]
        packed = packed[4 + length :]


def context_digest(context: dict[str, str]) -> str:
    pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    return hashlib.sha256(lp(*(part for pair in pairs for part in pair))).hexdigest()


if __name__ == "__main__":
    home, key_file, message = sys.argv[1:]
    keks = open_room(Path(home), "key-file", Path(key_file).read_bytes())
    sys.stdout.buffer.write(decrypt(Path(message).read_bytes(), keks))
