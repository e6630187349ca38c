"""What each wrapped key is bound to: the associated data of every layer, and the digest of a context.

Specified in docs/spec/room.md, "Bindings". Each is a row of fields, each field a 4-byte big-endian length and its bytes,
so that no two different rows give the same bytes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def root_binding(room_id: str, root_version: int, kind: str, parameters: Mapping[str, int | str]) -> bytes:
    """Associated data of a sealed root: the entry's kind and the parameters of its key derivation, by name."""
    named = [part for name in sorted(parameters) for part in (name, str(parameters[name]))]
    return bind("root", room_id, str(root_version), kind, *named)


def mac_key_binding(room_id: str, root_version: int) -> bytes:
    """Associated data of the keystore's MAC key, wrapped by a root."""
    return bind("mac-key", room_id, str(root_version))


def log_key_binding(room_id: str, log: str) -> bytes:
    """What the key that signs an audit log comes from, under the keystore's MAC key."""
    return bind("audit-key", room_id, log)


def kek_binding(room_id: str, root_version: int, key_id: str, version: int) -> bytes:
    """Associated data of a KEK version, wrapped by a root."""
    return bind("kek", room_id, str(root_version), key_id, str(version))


def bind(purpose: str, *fields: str) -> bytes:
    """The fields of a binding, headed by what it is for."""
    return length_prefixed(*(field.encode() for field in (f"strongroom/1/{purpose}", *fields)))


def length_prefixed(*fields: bytes) -> bytes:
    """Each field behind its length, 4 bytes big-endian."""
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def context_digest(context: Mapping[str, str]) -> str:
    """SHA-256, in hex, of a context's pairs in the order of their keys' UTF-8 bytes, each part length-prefixed."""
    pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    return hashlib.sha256(length_prefixed(*(part for pair in pairs for part in pair))).hexdigest()
