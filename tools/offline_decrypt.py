"""Decrypts a file or a tree of a room without Strongroom: needs this file and `cryptography`; docs/spec says why.

    python3 offline_decrypt.py ROOM SRC DST (--key-file | --recovery-file | --passphrase-file | --share-files) FILE

ROOM is a copy of the room's directory, SRC an encrypted file or tree, DST is not there yet, FILE may be a directory
with as many shares as it takes. What is not authentic is refused; in a tree it is reported, the rest is decrypted, and
the exit code is 1. The keystore is not checked, and keys stand in memory that is not locked: for the last resort.
"""

import base64
import json
import os
import re
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import constant_time, hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDF


def main() -> None:
    if len(sys.argv) != 6 or sys.argv[4] not in ("--key-file", "--recovery-file", "--passphrase-file", "--share-files"):
        raise SystemExit(__doc__)
    home, source, target, secret = (Path(sys.argv[at]) for at in (1, 2, 3, 5))
    os.umask(0o077)
    try:
        room = Room(home, b"".join(sorted(p.read_bytes() for p in (secret.iterdir() if secret.is_dir() else [secret]))))
        (decrypt_tree if source.is_dir() else decrypt_file)(room, source, target)
    except (InvalidTag, InvalidSignature):
        raise SystemExit("not authentic: a wrong secret, or altered data") from None


class Room:
    """A copy of a room, opened by one of its secrets: docs/spec/room.md."""

    def __init__(self, home: Path, secret: bytes) -> None:
        document = json.loads((home / "root.json").read_bytes())
        self.id, self.roots = document["room"], {}
        for root, e in ((d["root_version"], e) for d in (document, document.get("next")) if d for e in d["entries"]):
            parameters, sealed = e["parameters"], base64.b64decode(e["sealed"])
            fields = [str(field) for pair in sorted(parameters.items()) for field in pair]
            with suppress(InvalidTag):
                aad = lp("strongroom/1/root", self.id, str(root), e["kind"], *fields)
                self.roots[root] = AESGCM(sealing_key(parameters, secret)).decrypt(sealed[:12], sealed[12:], aad)
        with closing(sqlite3.connect(home / "keystore.db")) as keystore:
            rows = keystore.execute("SELECT key_id, version, root_version, wrapped_kek FROM key_versions").fetchall()
        self.wrapped = {f"{key_id}/{version}": (root, kek) for key_id, version, root, kek in rows}

    def kek(self, name: str) -> bytes:
        root, kek = self.wrapped.get(name) or sys.exit(f"this room has no key version {name}")
        opened = self.roots.get(root, b"") if root else sys.exit(f"the KEK of {name} is in a token")
        key = HKDF(hashes.SHA256(), 32, None, b"strongroom/v1/kek").derive(opened)
        return AESGCM(key).decrypt(kek[:12], kek[12:], lp("strongroom/1/kek", self.id, str(root), *name.split("/")))


def sealing_key(parameters: dict[str, Any], secret: bytes) -> bytes:
    salt = bytes.fromhex(parameters["salt"])
    if parameters["kdf"] == "hkdf-sha256":
        return HKDF(hashes.SHA256(), 32, salt, b"strongroom/v1/seal").derive(secret)
    cost = {"iterations": parameters["passes"], "lanes": parameters["lanes"], "memory_cost": parameters["memory_kib"]}
    return Argon2id(salt=salt, length=32, **cost).derive(re.sub(rb"\r?\n\Z", b"", secret))  # without the line's end


def lp(*fields: str) -> bytes:
    return b"".join(len(field.encode()).to_bytes(4, "big") + field.encode() for field in fields)


class Message:
    """A message, read once from its start to its end: docs/spec/message.md."""

    def __init__(self, source: BinaryIO) -> None:
        self.source, self.header, self.is_header, self.digest = source, b"", True, hashes.Hash(hashes.SHA384())
        version, self.suite, self.id = self.take(1), self.take(2), self.take(32)
        if version + self.suite not in (b"\x02\x04\x78", b"\x02\x05\x78"):
            raise SystemExit("this is not a message of a room")
        length, start = self.number(2), len(self.header)
        context = {self.field(): self.field() for _ in range(self.number(2))}
        self.context, self.signer = self.header[start:], context.get(b"aws-crypto-public-key", b"")
        self.edks = {self.field(): (self.field(), self.field()) for _ in range(self.number(2))}
        framed, self.frame_length, self.commitment = self.take(1) == b"\x02", self.number(4), self.take(32)
        self.is_header = False
        if len(self.context) != length or not framed or bool(self.signer) != (self.suite == b"\x05\x78"):
            raise SystemExit("this is not a header that a room has written")

    def plaintext(self, room: Room) -> Iterator[bytes]:
        """Frame by frame; the final one only once the signature, if there is one, was verified."""
        info, wrapped = self.edks.get(b"strongroom") or sys.exit("this message is not under a key of a room")
        data_key = AESGCM(room.kek(info[:-20].decode())).decrypt(info[-12:], wrapped, self.context)
        commitment = HKDF(hashes.SHA512(), 32, self.id, b"COMMITKEY").derive(data_key)
        if not constant_time.bytes_eq(commitment, self.commitment):
            raise SystemExit("this message commits to another data key")
        cipher = AESGCM(HKDF(hashes.SHA512(), 32, self.id, self.suite + b"DERIVEKEY").derive(data_key))
        cipher.decrypt(bytes(12), self.take(16), self.header)
        final, number = False, 0
        while not final:
            number, found = number + 1, self.number(4)
            final = found == 0xFFFFFFFF
            found, nonce = self.number(4) if final else found, self.take(12)
            length = self.number(4) if final else self.frame_length
            if found != number or length > self.frame_length:
                raise SystemExit(f"frame {number} is not there")
            name = b"AWSKMSEncryptionClient " + (b"Final Frame" if final else b"Frame")
            aad = self.id + name + number.to_bytes(4, "big") + length.to_bytes(8, "big")
            plaintext = cipher.decrypt(nonce, self.take(length + 16), aad)
            if final and self.signer:
                digest, signature = self.digest.copy().finalize(), self.take(self.number(2))
                key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), base64.b64decode(self.signer))
                key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA384())))
            if final and self.source.read(1):
                raise SystemExit("something stands behind the end of the message")
            yield plaintext

    def field(self) -> bytes:
        return self.take(self.number(2))

    def number(self, length: int) -> int:
        return int.from_bytes(self.take(length), "big")

    def take(self, length: int) -> bytes:
        data = self.source.read(length)
        if len(data) != length:
            raise SystemExit("the message is truncated")
        self.digest.update(data)
        self.header += data if self.is_header else b""
        return data


def decrypt_file(room: Room, source: Path, target: Path, entry: dict[str, Any] | None = None) -> None:
    """One message, whole or not at all; in a tree, the one that this entry of the manifest names."""
    with source.open("rb") as file, target.open("xb") as plain:
        try:
            message = Message(file)
            plain.writelines(message.plaintext(room))
            if entry is not None and (entry["id"], entry["size"]) != (message.id.hex(), plain.tell()):
                raise SystemExit("not the message that the manifest names")
        except BaseException:
            target.unlink()
            raise


def decrypt_tree(room: Room, source: Path, target: Path) -> None:
    """What the manifest names, and nothing else: docs/spec/tree.md. Links come last, so none is ever written through."""
    head, entries = read_manifest(room, source / ".strongroom/manifest.sr")
    unread = {path for path in source.rglob("*.sr") if path.is_file() and not path.is_symlink()}
    unread.discard(source / ".strongroom/manifest.sr")
    places, problems = {"": source}, []
    target.mkdir()
    for path, entry in entries.items():  # a directory comes before what is in it
        above, _, name = path.rpartition("/")
        if entry["type"] == "directory":
            places[path] = places[above] / re.sub(r"(?s)\A((\.strongroom|.*\.sr)~*)\Z", r"\1~", name)
            (target / path).mkdir()
        elif entry["type"] == "file":
            message = places[above] / f"{name}.sr"
            try:
                if message not in unread:
                    raise SystemExit("missing")
                unread.remove(message)
                decrypt_file(room, message, target / path, entry)
            except (OSError, InvalidTag, InvalidSignature, SystemExit) as problem:
                problems.append(f"{path}: {str(problem) or 'not authentic'}")
    for path, entry in [*reversed(entries.items()), ("", head)]:
        if entry.get("type") == "link":
            (target / path).symlink_to(text(entry, "target"))
        elif (target / path).exists():
            (target / path).chmod(entry["mode"] & (0o1777 if "size" in entry else 0o7777))
            os.utime(target / path, ns=(entry["mtime"], entry["mtime"]))
    problems += [f"{path}: the manifest does not name it; decrypt it alone" for path in unread]
    if problems:
        raise SystemExit("\n".join(problems))


def read_manifest(room: Room, place: Path) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    with place.open("rb") as file:
        head, *lines = map(json.loads, b"".join(Message(file).plaintext(room)).splitlines())
    entries = {text(line, "path"): line for line in lines}
    odd = {name for path in entries for name in path.split("/")} & {"", ".", ".."}
    counts = [sum(line["type"] == kind for line in entries.values()) for kind in ("file", "directory", "link")]
    counts.append(sum(line.get("size", 0) for line in lines))
    is_whole = counts == [head[name] for name in ("files", "directories", "links", "plaintext_bytes")]
    if head["strongroom-tree"] != 1 or not is_whole or odd or [*entries] != sorted(entries, key=os.fsencode):
        raise SystemExit("this is not a manifest that Strongroom has written")
    return head, entries


def text(line: dict[str, Any], name: str) -> str:
    """A path, or where a link points; what is not UTF-8 stands there in base64."""
    return line[name] if name in line else os.fsdecode(base64.b64decode(line[f"{name}64"]))


if __name__ == "__main__":
    main()
