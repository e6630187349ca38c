"""What a forger may do to a message and still make it authentic."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from torture.differential.forged import (
    OTHER_KEY,
    PUBLIC_KEY,
    SIGNING_KEY,
    Draft,
    Frame,
    derive,
    pairs,
    point,
    prefixed,
    serialize,
    sound,
    write,
)
from torture.differential.readers import NAME, NAMESPACE

Quirk = Callable[[random.Random, Draft], object]


def forge(dice: random.Random, quirk: str) -> bytes:
    """A message with one quirk."""
    draft = sound(dice)
    QUIRKS[quirk](dice, draft)
    return write(dice, draft)


def reversed_context(dice: random.Random, draft: Draft) -> None:
    """The pairs in descending order."""
    items = sorted(((key.encode(), value.encode()) for key, value in draft.context.items()), reverse=True)
    draft.serialized = pairs(items) if items else b""


def key_twice(dice: random.Random, draft: Draft) -> None:
    """A pair twice, with the same value or another."""
    items = [(key.encode(), value.encode()) for key, value in {"b": "2", **draft.context}.items()]
    draft.serialized = pairs(sorted([*items, (b"b", dice.choice((b"2", b"3")))]))


def last_frame(draft: Draft) -> Frame:
    """The final one."""
    return draft.frames[-1]


def swap(dice: random.Random, draft: Draft) -> None:
    """Two frames in each other's place."""
    draft.frames.insert(0, Frame(draft.frames[0].number + 1, dice.randbytes(draft.frame_length)))


def skip_number(dice: random.Random, draft: Draft) -> None:
    """A number left out."""
    for frame in draft.frames:
        frame.number += 1


def unframed(dice: random.Random, draft: Draft) -> None:
    """A body of one piece, which version 2 may have."""
    draft.content_type, draft.frame_length = 1, 0
    key, _ = derive(draft)
    plaintext, nonce = dice.randbytes(dice.randrange(40)), (1).to_bytes(12)
    length = len(plaintext).to_bytes(8)
    aad = draft.message_id + b"AWSKMSEncryptionClient Single Block" + (1).to_bytes(4) + length
    draft.body = nonce + length + AESGCM(key).encrypt(nonce, plaintext, aad)


def short_regular(dice: random.Random, draft: Draft) -> None:
    """A regular frame that is not full."""
    draft.frames.insert(0, Frame(1, dice.randbytes(draft.frame_length - 1)))
    for number, frame in enumerate(draft.frames, 1):
        frame.number = number


def set_all(**changes: object) -> Quirk:
    """Fields of the draft."""

    def change(dice: random.Random, draft: Draft) -> None:
        for name, value in changes.items():
            setattr(draft, name, value)

    return change


def set_last(**changes: object) -> Quirk:
    """Fields of the final frame."""

    def change(dice: random.Random, draft: Draft) -> None:
        draft.frames[-1] = replace(last_frame(draft), **changes)  # type: ignore[arg-type]

    return change


def with_context(**changes: str) -> Quirk:
    """Pairs of the context, whose names have underscores for hyphens."""

    def change(dice: random.Random, draft: Draft) -> None:
        draft.context |= {name.replace("_", "-"): value for name, value in changes.items()}

    return change


def serialized(change: Callable[[bytes], bytes]) -> Quirk:
    """The context in other bytes, while the data key is bound to the right ones."""

    def changed(dice: random.Random, draft: Draft) -> None:
        draft.serialized = change(serialize(draft.context))

    return changed


def uncompressed(dice: random.Random, draft: Draft) -> None:
    """The public key as an uncompressed point."""
    if draft.signing_key:
        draft.context[PUBLIC_KEY] = point(SIGNING_KEY, serialization.PublicFormat.UncompressedPoint)


def strip_signature(dice: random.Random, draft: Draft) -> None:
    """The unsigned suite, with the public key still there."""
    draft.suite, draft.signing_key = 0x0478, None
    draft.context[PUBLIC_KEY] = point(SIGNING_KEY)


def strip_public_key(dice: random.Random, draft: Draft) -> None:
    """The signed suite, without a public key."""
    draft.suite, draft.signing_key = 0x0578, SIGNING_KEY
    draft.context.pop(PUBLIC_KEY, None)


OURS, INFO = NAMESPACE.encode(), NAME.encode() + (128).to_bytes(4) + (12).to_bytes(4)
FOREIGN = (b"aws-kms", b"arn:aws:kms:us-west-2:1:key/1", bytes(184))

QUIRKS: dict[str, Quirk] = {
    "none": lambda dice, draft: None,
    # the header
    "context in descending order": reversed_context,
    "context with a key twice": key_twice,
    "context with bytes after it": serialized(lambda it: it + b"\0" if it else b"\0\0\0"),
    "context of no pairs with a count": serialized(lambda it: it or b"\0\0"),
    "context with a count too small": serialized(lambda it: it and (int.from_bytes(it[:2]) - 1).to_bytes(2) + it[2:]),
    "context with a count too large": serialized(lambda it: it and (int.from_bytes(it[:2]) + 1).to_bytes(2) + it[2:]),
    "context with an empty key and value": lambda dice, draft: draft.context.update({"": ""}),
    "context that is not UTF-8": serialized(lambda it: pairs([(b"\xff", b"\xfe")])),
    "context with a reserved key": with_context(aws_crypto_x="y"),
    "context with a NUL": lambda dice, draft: draft.context.update({"a\0": "\0"}),
    "an uncompressed public key": uncompressed,
    "unsigned suite with a public key": strip_signature,
    "signed suite without a public key": strip_public_key,
    "no data key": set_all(edks=0),
    "one data key more than there are": set_all(edks=2),
    "a foreign data key first": set_all(before=[FOREIGN]),
    "a foreign data key last": set_all(after=[FOREIGN]),
    "a data key of ours first that does not open": set_all(before=[(OURS, INFO + bytes(12), bytes(48))]),
    "a data key of ours first that is too short": set_all(before=[(OURS, INFO + bytes(12), b"")]),
    "a data key with a longer name first": set_all(before=[(OURS, INFO + bytes(13), bytes(48))]),
    "a provider that is not UTF-8": set_all(after=[(b"\xff", b"x", b"y")]),
    "a provider's information that is not UTF-8": set_all(after=[(b"x", b"\xff", b"y")]),
    "an empty provider": set_all(after=[(b"", b"", b"")]),
    "sixty-five data keys": set_all(after=[FOREIGN] * 64),
    "a data key of 16 bytes": set_all(key_length=16),
    "another commitment": set_all(commitment=bytes(32)),
    "content type 0": set_all(content_type=0),
    "content type 3": set_all(content_type=3),
    "non-framed with frames": set_all(content_type=1),
    "non-framed": unframed,
    "a frame length of 0": set_all(frame_length=0),
    "another frame length": lambda dice, draft: set_all(frame_length=draft.frame_length + dice.randint(1, 9))(
        dice, draft
    ),
    # the frames
    "another nonce": lambda dice, draft: set_last(nonce=dice.randbytes(12))(dice, draft),
    "a frame in another's place": swap,
    "numbers from 2": skip_number,
    "another number in the final head": set_last(head=77),
    "a regular frame that is not full": short_regular,
    "a final frame above the frame length": lambda dice, draft: set_last(plaintext=bytes(draft.frame_length + 1))(
        dice, draft
    ),
    "a final length that is not true": set_last(claim=1 << 20),
    "a final frame sealed as a regular one": set_last(final=False, mark=True),
    "a final frame marked as a regular one": set_last(mark=False),
    "no final frame": set_last(final=False),
    "no frame": set_all(frames=[]),
    "a frame after the final one": lambda dice, draft: draft.frames.append(replace(last_frame(draft), number=99)),
    "an empty final frame after full ones": set_last(plaintext=b""),
    # the end
    "bytes after the end": set_all(trailing=b"\0"),
    "a message after the end": lambda dice, draft: set_all(trailing=write(dice, sound(dice)))(dice, draft),
    "no footer": set_all(footer=b""),
    "an empty signature": set_all(footer=b"\0\0"),
    "a signature by another key": lambda dice, draft: draft.signing_key and set_all(signing_key=OTHER_KEY)(dice, draft),
    "a signature with a byte more": lambda dice, draft: (
        draft.signing_key and set_all(footer=prefixed(bytes(104)))(dice, draft)
    ),
}
