"""Keys for re-encryption: what is to be moved, from which keys, and to which."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom.errors import KeyNotFound, UnsupportedFormat
from strongroom.keys import CLASS_KEY, RESERVED_PREFIX, KeyName, Operation
from strongroom.model import MovedKey

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import DecryptionMaterials, EncryptionMaterials, Header
    from strongroom.materials.room import RoomMaterials
    from strongroom.model import Request


class Ways:
    """From which key version to which data keys were given out, class by class. Thread-safe."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._given: dict[tuple[str, KeyName, KeyName], tuple[int, int]] = {}

    def add(self, way: tuple[str, KeyName, KeyName], messages: int, size: int) -> None:
        """One more data key."""
        with self._turn:
            before = self._given.get(way, (0, 0))
            self._given[way] = (before[0] + messages, before[1] + size)

    def told(self) -> tuple[MovedKey, ...]:
        """All of them, those for the most messages first."""
        with self._turn:
            found = sorted(self._given.items(), key=lambda item: (-item[1][0], item[0][0], str(item[0][1])))
        return tuple(
            MovedKey(
                data_class=data_class,
                from_key_id=old.key_id,
                from_version=old.version,
                key_id=new.key_id,
                version=new.version,
                messages=messages,
                bytes=size,
            )
            for (data_class, old, new), (messages, size) in found
        )


@dataclass(frozen=True, slots=True)
class MovingKeys:
    """Whom a re-encryption is for, and where to: the key version that encrypts now, in `to_suite` if that is given.

    Rust asks it from many threads. `context` is the caller's: checked against each message, and where the header leaves
    a pair out, the new message leaves it out as well. `everything` moves what stands under the current version too.
    """

    materials: RoomMaterials
    request: Request
    context: Mapping[str, str] | None
    to_suite: int | None
    everything: bool
    current: dict[tuple[str, tuple[tuple[str, str], ...]], KeyName] = field(default_factory=dict)
    ways: Ways = field(default_factory=Ways)

    def is_settled(self, header: Header) -> bool:
        """Whether a message stands where it should. Raises `KeyNotFound`, or `UnsupportedFormat` if it has other readers."""
        name = key_name(header)
        if self.everything or self.to_suite not in {None, header.suite}:
            return False
        return name == self._current_key(header)

    def encryption(self, like: Header, plaintext_bytes: int, messages: int = 1) -> EncryptionMaterials:
        """Materials for so many messages of so many bytes in all, with class and context of this header."""
        stored = own_context(like)
        left_out = {key: value for key, value in (self.context or {}).items() if key not in stored}
        data_class, current = class_of(like), self._current_key(like)
        materials = self.materials.for_moving(
            self.request,
            data_class,
            stored | left_out,
            to=current,
            suite=self.to_suite,
            required=sorted(left_out),
            messages=messages,
            size=plaintext_bytes,
        )
        self.ways.add((data_class, key_name(like), current), messages, plaintext_bytes)
        return materials

    def decryption(self, header: Header, message_bytes: int = 0, messages: int = 1) -> DecryptionMaterials:
        """Materials for so many messages with data keys and context of this header, of so many bytes in all."""
        return self.materials.for_decryption(
            self.request,
            header,
            self.context,
            size=message_bytes,
            messages=messages,
            operation=Operation.REENCRYPT,
        )

    def _current_key(self, header: Header) -> KeyName:
        """Asked once for a class and context: what is made current while a run lasts is for the next one."""
        context = header.context
        asked = (class_of(header), tuple(sorted(own_context(header).items())))
        if asked not in self.current:
            self.current[asked] = self.materials.current_key(self.request, asked[0], context)
        return self.current[asked]


def key_name(header: Header) -> KeyName:
    """The key version of a room that a message stands under."""
    ours = [name for edk in header.edks if (name := KeyName.of(edk)) is not None]
    providers = ", ".join(sorted({edk.provider_id for edk in header.edks}))
    if not ours:
        raise KeyNotFound(f"the message was not encrypted under a key of a Strongroom room: it names {providers}")
    if len(header.edks) > 1:
        raise UnsupportedFormat(f"the message has other readers ({providers}), whom re-encrypting would lock out")
    return ours[0]


def class_of(header: Header) -> str:
    """The data class that a header names. Raises UnsupportedFormat."""
    name = header.context.get(CLASS_KEY)
    if name is None:
        raise UnsupportedFormat(f"the message names no data class: its context has no {CLASS_KEY}")
    return name


def own_context(header: Header) -> dict[str, str]:
    """The pairs that the writer of a message gave."""
    return {key: value for key, value in header.context.items() if not key.startswith((RESERVED_PREFIX, "aws-crypto-"))}
