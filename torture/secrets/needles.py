"""What to search for: every key of a session, found out from the room's files as an owner can, by code that is not ours."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any
from unittest import mock

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tools import offline_decrypt as offline
from torture.tokens import SoftHsm


@dataclass(frozen=True)
class Needle:
    """A secret, and the name under which it is reported."""

    name: str
    secret: bytes

    def in_halves(self) -> dict[str, bytes]:
        """As it is, or what is left of it: allocators write over the start of what was freed.

        The first words of an AES key schedule are the key.
        """
        halves = {"first half": self.secret[:16], "second half": self.secret[16:32]}
        return {form: part for form, part in halves.items() if len(part) >= 12}

    def in_memory(self) -> dict[str, bytes]:
        """In halves, and as hashes have it: they turn the bytes of words around, and HMACs pad their keys."""
        forms = self.in_halves()
        for width in (4, 8):
            forms[f"in words of {width} bytes"] = swapped(self.secret[:32], width)[:16]
        if len(self.secret) == 32:
            for pad, name in ((0x36, "inner"), (0x5C, "outer")):
                forms[f"as {name} key of an HMAC"] = bytes(byte ^ pad for byte in self.secret)
        return forms

    def in_text(self) -> dict[str, bytes]:
        """As it may stand in a file, a log or a message."""
        secret = self.secret
        return {
            "raw": secret,
            "in hex": secret.hex().encode(),
            "in base64": base64.b64encode(secret).rstrip(b"="),
            "in Python's notation": repr(secret)[2:-1].encode(),
            "as a list": str(list(secret))[1:-1].encode(),
        }


def swapped(secret: bytes, width: int) -> bytes:
    """With the bytes of each word turned around."""
    return b"".join(secret[at : at + width][::-1] for at in range(0, len(secret), width))


@dataclass(frozen=True)
class Home:
    """Where a session has its room and its messages."""

    folder: Path

    @property
    def room(self) -> Path:
        """The room."""
        return self.folder / "room"

    @property
    def passphrase(self) -> Path:
        """What opens it, planted."""
        return self.folder / "secret-passphrase"

    @property
    def key(self) -> Path:
        """The key file that opens it as well."""
        return self.folder / "secret-key"

    @property
    def recovery(self) -> Path:
        """The recovery kit."""
        return self.folder / "secret-recovery"

    @property
    def shares(self) -> Path:
        """The shares of a quorum kit."""
        return self.folder / "secret-shares"

    @property
    def backup(self) -> Path:
        """A backup of the room."""
        return self.folder / "backup"

    @property
    def raw(self) -> Path:
        """The key of a raw keyring, planted."""
        return self.folder / "secret-raw"

    @property
    def kek(self) -> Path:
        """The KEK that is put into a token, planted."""
        return self.folder / "secret-kek"

    @property
    def hsm(self) -> SoftHsm:
        """Where the token is."""
        return SoftHsm(self.folder / "secret-hsm")

    @property
    def control(self) -> Path:
        """What the session is told to leave lying about."""
        return self.folder / "secret-control"

    @property
    def messages(self) -> Path:
        """Messages of the room."""
        return self.folder / "messages"

    @property
    def hsm_messages(self) -> Path:
        """Messages of the room whose KEK is in the token."""
        return self.folder / "hsm-messages"

    @property
    def raw_messages(self) -> Path:
        """Messages of the raw keyring."""
        return self.folder / "raw-messages"

    def needles(self) -> list[Needle]:
        """All secrets that there are by now."""
        found = [Needle("the raw KEK", self.raw.read_bytes()), Needle("the passphrase", self.passphrase.read_bytes())]
        if self.room.exists():
            found += self._of_room()
        for path in sorted(self.raw_messages.glob("*")):
            found += of_raw_message(path, self.raw.read_bytes())
        for path in sorted(self.hsm_messages.glob("*")):
            found += of_raw_message(path, self.kek.read_bytes())
        # what the module keeps of the KEK is not ours to wipe; its PIN we had in our hands
        found += [Needle("the PIN", path.read_bytes().strip()) for path in self.hsm.directory.glob("*.pin")]
        return found

    def _of_room(self) -> Iterator[Needle]:
        yield Needle("the key file", self.key.read_bytes())
        yield Needle("the recovery kit", self.recovery.read_bytes())
        for share in sorted(self.shares.glob("*")):
            yield Needle(share.name, share.read_bytes())
        with mock.patch.object(offline, "sealing_key", sealing_key):
            room = offline.Room(self.room, self.key.read_bytes())
        [(version, root)] = room.roots.items()
        yield Needle(f"root key {version}", root)
        yield Needle(f"what is extracted from root key {version}", hmac.digest(bytes(32), root, "sha256"))
        yield from sealing_keys(self)
        for purpose in ("kek", "mac", "backup"):
            yield Needle(f"key {version} of the root for purpose {purpose}", expanded(root, purpose))
        yield Needle("the keystore's MAC key", mac_key(self.room, room))
        if self.backup.exists() and version == 1:
            yield from of_backup(self.backup, expanded(root, "backup"))
        for name in versions(self.room):
            yield Needle(f"KEK {name}", room.kek(name))
        # a message that is being written has no name, or a temporary one
        for path in sorted(self.messages.glob("[!.]*")):
            message = opened(path)
            info, wrapped = message.edks[b"strongroom"]
            data_key = AESGCM(room.kek(info[:-20].decode())).decrypt(info[-12:], wrapped, message.context)
            yield from derived(path.name, data_key, message)


def sealing_keys(home: Home) -> Iterator[Needle]:
    """The keys that seal the root."""
    given = {"passphrase": home.passphrase, "key-file": home.key, "recovery-kit": home.recovery}
    shares = sorted(path.read_bytes() for path in home.shares.glob("*"))
    for entry in json.loads((home.room / "root.json").read_bytes())["entries"]:
        kind, parameters = entry["kind"], entry["parameters"]
        # which two of the shares an entry is for is not said: each pair gives a key, and one of them is the entry's
        secrets = map(b"".join, combinations(shares, 2)) if kind == "quorum" else [given[kind].read_bytes()]
        for secret in secrets:
            yield Needle(f"a sealing key of the {kind}", sealing_key(parameters, secret))


def sealing_key(parameters: dict[str, Any], secret: bytes) -> bytes:
    """As the tool derives it, but once: Argon2id takes its time, and after each step all keys are asked for."""
    known = (*sorted(parameters.items()), secret)
    if known not in DERIVED:
        DERIVED[known] = derive_sealing_key(parameters, secret)
    return DERIVED[known]


def expanded(root: bytes, purpose: str) -> bytes:
    """A key that the root is expanded to."""
    return HKDF(hashes.SHA256(), 32, None, f"strongroom/v1/{purpose}".encode()).derive(root)


def mac_key(home: Path, room: offline.Room) -> bytes:
    """The key that signs the keystore's rows."""
    version, wrapped = asked(home, "SELECT root_version, wrapped_mac_key FROM meta")[0]
    aad = offline.lp("strongroom/1/mac-key", room.id, str(version))
    return AESGCM(expanded(room.roots[int(version)], "mac")).decrypt(wrapped[:12], wrapped[12:], aad)


def versions(home: Path) -> list[str]:
    """The names of all KEK versions that are in no token."""
    rows = asked(home, "SELECT key_id, version FROM key_versions WHERE root_version > 0")
    return [f"{key_id}/{version}" for key_id, version in rows]


def asked(home: Path, query: str) -> list[tuple[Any, ...]]:
    """What the keystore says."""
    keystore = sqlite3.connect(f"{(home / 'keystore.db').absolute().as_uri()}?mode=ro", uri=True)
    try:
        return keystore.execute(query).fetchall()
    finally:
        keystore.close()


def of_backup(path: Path, key: bytes) -> Iterator[Needle]:
    """Data key and content key of a backup."""
    message = opened(path)
    info, wrapped = message.edks[b"strongroom-backup"]
    yield from derived(path.name, AESGCM(key).decrypt(info[-12:], wrapped, message.context), message)


def of_raw_message(path: Path, key: bytes) -> Iterator[Needle]:
    """Data key and content key of a message of the raw keyring."""
    message = opened(path)
    [(info, wrapped)] = message.edks.values()
    yield from derived(path.name, AESGCM(key).decrypt(info[-12:], wrapped, message.context), message)


def opened(path: Path) -> offline.Message:
    """A message whose header has been read."""
    return offline.Message(io.BytesIO(path.read_bytes()))


def derived(name: str, data_key: bytes, message: offline.Message) -> Iterator[Needle]:
    """What comes from a data key."""
    content_key = HKDF(hashes.SHA512(), 32, message.id, message.suite + b"DERIVEKEY").derive(data_key)
    yield Needle(f"the data key of {name}", data_key)
    yield Needle(f"what is extracted from the data key of {name}", hmac.digest(message.id, data_key, hashlib.sha512))
    yield Needle(f"the content key of {name}", content_key)


derive_sealing_key = offline.sealing_key
DERIVED: dict[object, bytes] = {}
