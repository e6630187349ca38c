"""Messages by our own writer, and where their fields stand."""

from __future__ import annotations

import random
from dataclasses import dataclass

from strongroom.client import encrypt_message
from strongroom.crypto import Header

from torture.differential.readers import keyring

SUITES = (0x0478, 0x0578)
CONTEXTS: tuple[dict[str, str], ...] = ({}, {"tenant": "acme"}, {"a": "", "ünïcode": "värde", "z": "y" * 40})
# frame length and length
SIZES = ((1, 3), (16, 0), (16, 16), (16, 40), (64, 200), (1000, 1500), (4096, 100))


@dataclass(frozen=True)
class Original:
    """A message with the places of its counts and lengths: offset and bytes of each."""

    message: bytes
    numbers: tuple[tuple[int, int], ...]
    header: int


def originals(dice: random.Random) -> list[Original]:
    """One message of each kind."""
    return [
        locate(encrypt_message(dice.randbytes(size), keyring(), context=context, suite=suite, frame_length=frame))
        for suite in SUITES
        for context in CONTEXTS
        for frame, size in SIZES
    ]


def locate(message: bytes) -> Original:
    """Where the fields of a sound message stand (docs/spec/message.md)."""
    walk = Walk(message, at=35)
    if walk.number(2):
        for _ in range(2 * walk.number(2)):
            walk.field()
    for _ in range(3 * walk.number(2)):
        walk.field()
    walk.number(1)
    frame_length = walk.number(4)
    header = len(Header.parse(message))
    walk.at = header
    while walk.number(4) != FINAL:
        walk.at += 12 + frame_length + 16
    walk.number(4)
    walk.at += 12
    final = walk.number(4)
    walk.at += final + 16
    if walk.at < len(message):
        walk.number(2)
    return Original(message, ((0, 1), (1, 2), *walk.numbers), header)


class Walk:
    """Reads forward, and remembers where numbers stood."""

    def __init__(self, message: bytes, at: int) -> None:
        """From `at` on."""
        self.message, self.at = message, at
        self.numbers: list[tuple[int, int]] = []

    def number(self, size: int) -> int:
        """The next number."""
        self.numbers.append((self.at, size))
        value = int.from_bytes(self.message[self.at : self.at + size])
        if self.at >= len(self.message):
            raise ValueError("not a sound message")
        self.at += size
        return value

    def field(self) -> None:
        """Bytes behind their length."""
        length = self.number(2)
        self.at += length


FINAL = 0xFFFFFFFF
