"""A root key in a sealed file: `root.json`, with one entry for each way to open it.

Specified in docs/spec/room.md, "root.json". A passphrase goes through Argon2id with the parameters of RFC 9106's second
recommended option; a key file and a recovery kit are random already and go through HKDF, which costs nothing.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from enum import StrEnum
from secrets import token_bytes
from typing import TYPE_CHECKING

from strongroom.crypto import Kdf, RootKey
from strongroom.errors import AuthenticationFailed, BadPassphrase, RoomTampered, UnsupportedFormat
from strongroom.files import NOT_OURS
from strongroom.keys import root_binding

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from strongroom.crypto import AesWrappingKey, MacKey, Secret


class SecretKind(StrEnum):
    """What a secret is. A secret is tried on the entries of its own kind only."""

    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a kind
    KEY_FILE = "key-file"
    RECOVERY_KIT = "recovery-kit"


class SoftwareRoot:
    """A root key in locked memory. Not to be used after `close`, nor in a forked child."""

    def __init__(self, key: RootKey, version: int) -> None:
        self._key = key
        self._version = version

    @property
    def version(self) -> int:
        """The version of the root, recorded with everything that it wraps."""
        return self._version

    def wrap_kek(self, key: AesWrappingKey, binding: bytes) -> bytes:
        """`key` wrapped by AES-256-GCM and bound to `binding`."""
        return self._key.wrap_kek(key, binding)

    def unwrap_kek(self, wrapped: bytes, binding: bytes) -> AesWrappingKey:
        """The KEK in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        return self._key.unwrap_kek(wrapped, binding)

    def wrap_mac_key(self, key: MacKey, binding: bytes) -> bytes:
        """`key` wrapped by AES-256-GCM and bound to `binding`."""
        return self._key.wrap_mac_key(key, binding)

    def unwrap_mac_key(self, wrapped: bytes, binding: bytes) -> MacKey:
        """The MAC key in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        return self._key.unwrap_mac_key(wrapped, binding)

    def close(self) -> None:
        """Wipe the root key."""
        self._key.close()


def make_sealed_root(room_id: str, secrets: Iterable[tuple[SecretKind, Secret]]) -> tuple[SoftwareRoot, bytes]:
    """A new random root, and the content of `root.json` that any one of `secrets` opens."""
    key = RootKey.generate()
    entries = [seal(key, room_id, FIRST_VERSION, kind, secret) for kind, secret in secrets]
    content = {
        "format": FORMAT,
        "room": room_id,
        "provider": "software",
        "root_version": FIRST_VERSION,
        "entries": [entry.to_json() for entry in entries],
    }
    return SoftwareRoot(key, FIRST_VERSION), json.dumps(content, indent=2).encode() + b"\n"


def open_sealed_root(content: bytes, room_id: str, secrets: Iterable[tuple[SecretKind, Secret]]) -> SoftwareRoot:
    """The root in `root.json`, opened by the first of `secrets` that fits an entry. Raises BadPassphrase if none does."""
    version, entries = parse(content, room_id)
    for kind, secret in secrets:
        for entry in entries:
            if entry.kind != kind:
                continue
            try:
                key = RootKey.unseal(entry.sealed, secret, entry.derivation(), entry.binding(room_id, version))
            except AuthenticationFailed:
                continue
            return SoftwareRoot(key, version)
    raise BadPassphrase("nothing that was given opens this room: check the passphrase, key file or recovery kit")


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to open the root."""

    kind: str
    parameters: Mapping[str, int | str]
    sealed: bytes

    def derivation(self) -> Kdf:
        """How the sealing key comes from a secret. Raises RoomTampered and UnsupportedFormat."""
        try:
            name, salt = self.parameters["kdf"], bytes.fromhex(str(self.parameters["salt"]))
            cost = tuple(int(self.parameters[part]) for part in ARGON2_COST) if name == "argon2id" else ()
        except NOT_OURS as error:
            raise self.changed() from error
        match name:
            case "argon2id":
                return argon2id(salt, *cost)
            case "hkdf-sha256":
                return Kdf.hkdf_sha256(salt)
            case unknown:
                raise UnsupportedFormat(f"root.json names a key derivation that is not known: {unknown!r}")

    def binding(self, room_id: str, version: int) -> bytes:
        """What the sealed root is bound to. Raises RoomTampered."""
        try:
            return root_binding(room_id, version, self.kind, self.parameters)
        except NOT_OURS as error:
            raise self.changed() from error

    def changed(self) -> RoomTampered:
        """The error for an entry that nobody here has written."""
        return RoomTampered(f"root.json: the entry {self.kind!r} was changed: put back a copy of the file")

    def to_json(self) -> dict[str, object]:
        """The entry as it stands in `root.json`."""
        return {
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "sealed": base64.b64encode(self.sealed).decode("ascii"),
        }


def argon2id(salt: bytes, memory_kib: int, passes: int, lanes: int) -> Kdf:
    """Argon2id at a cost that a file asks for: not authenticated yet, so a forged one must not exhaust memory or time."""
    if memory_kib > MAX_MEMORY_KIB or passes > MAX_PASSES or lanes > MAX_LANES:
        raise UnsupportedFormat("root.json asks for more Argon2id work than is accepted")
    if lanes < 1 or passes < 1 or memory_kib < 8 * lanes or len(salt) < SALT_LENGTH:
        raise RoomTampered("root.json asks for less Argon2id work than there is: put back a copy of the file")
    return Kdf.argon2id(salt, memory_kib=memory_kib, passes=passes, lanes=lanes)


def seal(key: RootKey, room_id: str, version: int, kind: SecretKind, secret: Secret) -> Entry:
    """`key` sealed under `secret`, with a fresh salt."""
    parameters: dict[str, int | str] = {"salt": token_bytes(SALT_LENGTH).hex(), **DERIVATIONS[kind]}
    entry = Entry(kind, parameters, b"")
    sealed = key.seal(secret, entry.derivation(), root_binding(room_id, version, kind, parameters))
    return Entry(kind, parameters, sealed)


def parse(content: bytes, room_id: str) -> tuple[int, list[Entry]]:
    """The root version and the entries of `root.json`."""
    try:
        document = json.loads(content)
        if document["format"] > FORMAT:
            raise UnsupportedFormat(f"root.json has format {document['format']}; this version reads up to {FORMAT}")
        entries = [
            Entry(entry["kind"], entry["parameters"], base64.b64decode(entry["sealed"], validate=True))
            for entry in document["entries"]
        ]
        found, version = document["room"], int(document["root_version"])
    except NOT_OURS as error:
        raise RoomTampered("root.json is not what a room's root looks like: put back a copy of it") from error
    if found != room_id:
        raise RoomTampered("root.json belongs to another room")
    return version, entries


FORMAT = 1
FIRST_VERSION = 1
SALT_LENGTH = 16
ARGON2_COST = ("memory_kib", "passes", "lanes")
MAX_MEMORY_KIB = 4 * 1024 * 1024
MAX_PASSES = 64
MAX_LANES = 64
DERIVATIONS: dict[SecretKind, dict[str, int | str]] = {
    SecretKind.PASSPHRASE: {"kdf": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 4},
    SecretKind.KEY_FILE: {"kdf": "hkdf-sha256"},
    SecretKind.RECOVERY_KIT: {"kdf": "hkdf-sha256"},
}
