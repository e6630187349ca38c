"""Edits of a stranger, who has no key."""

from __future__ import annotations

import random

from torture.differential.originals import Original


def edit(dice: random.Random, name: str, known: list[Original]) -> tuple[Original, bytes]:
    """A message and what an edit of this name makes of it: always something else."""
    while True:
        original = dice.choice(known)
        edited = EDITS[name](dice, original, known)
        if edited != original.message:
            return original, edited


def flip(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """One bit."""
    edited = bytearray(original.message)
    edited[dice.randrange(len(edited))] ^= 1 << dice.randrange(8)
    return bytes(edited)


def put(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """Some bytes set."""
    edited = bytearray(original.message)
    for _ in range(dice.randint(1, 4)):
        edited[dice.randrange(len(edited))] = dice.choice((0, 1, 0x7F, 0x80, 0xFF, dice.randrange(256)))
    return bytes(edited)


def cut(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """The end cut off."""
    return original.message[: dice.randrange(len(original.message))]


def drop(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """Some bytes missing."""
    at = dice.randrange(len(original.message))
    return original.message[:at] + original.message[at + dice.randint(1, 48) :]


def insert(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """Some bytes more, often at the end."""
    at = dice.choice((len(original.message), dice.randrange(len(original.message) + 1)))
    return original.message[:at] + dice.randbytes(dice.randint(1, 48)) + original.message[at:]


def duplicate(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """A part twice."""
    at = dice.randrange(len(original.message))
    end = min(at + dice.randint(1, 100), len(original.message))
    return original.message[:end] + original.message[at:]


def splice(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """The start of one message and the end of another, often between header and frames."""
    other = dice.choice(known)
    if dice.random() < HALF:
        return original.message[: original.header] + other.message[other.header :]
    return (
        original.message[: dice.randrange(len(original.message))] + other.message[dice.randrange(len(other.message)) :]
    )


def number(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """A length or count set to something near, or to an end of its range."""
    at, size = dice.choice(original.numbers)
    end = 1 << (8 * size)
    value = int.from_bytes(original.message[at : at + size])
    new = dice.choice((value + 1, value - 1, 0, 1, end - 1, end // 2, end // 2 - 1, dice.randrange(end)))
    return original.message[:at] + (new % end).to_bytes(size) + original.message[at + size :]


def several(dice: random.Random, original: Original, known: list[Original]) -> bytes:
    """Two or three of the others."""
    edited = original
    for _ in range(dice.randint(2, 3)):
        change = dice.choice((flip, put, drop, insert, duplicate))
        if edited.message:
            edited = Original(change(dice, edited, known), (), 0)
    return edited.message


HALF = 0.5
EDITS = {
    "flip": flip,
    "put": put,
    "cut": cut,
    "drop": drop,
    "insert": insert,
    "duplicate": duplicate,
    "splice": splice,
    "number": number,
    "several": several,
}
