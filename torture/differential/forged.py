"""Messages by a forger who has the key: authentic, and against one rule of the format."""

from __future__ import annotations

import base64
import random
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from torture.differential.readers import KEK, NAME, NAMESPACE

PUBLIC_KEY = "aws-crypto-public-key"


@dataclass
class Frame:
    """One frame as it is sealed, and as its head says."""

    number: int
    plaintext: bytes
    final: bool = False
    mark: bool | None = None
    head: int | None = None
    claim: int | None = None
    nonce: bytes | None = None


@dataclass
class Draft:
    """What is written. Fields that are None are as the format wants them."""

    suite: int
    frame_length: int
    context: dict[str, str]
    data_key: bytes
    message_id: bytes
    frames: list[Frame]
    signing_key: ec.EllipticCurvePrivateKey | None = None
    serialized: bytes | None = None
    before: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    after: list[tuple[bytes, bytes, bytes]] = field(default_factory=list)
    edks: int | None = None
    content_type: int = 2
    commitment: bytes | None = None
    key_length: int = 32
    body: bytes | None = None
    trailing: bytes = b""
    footer: bytes | None = None


def sound(dice: random.Random) -> Draft:
    """What a writer would write."""
    suite, frame_length = dice.choice((0x0478, 0x0478, 0x0578)), dice.choice((1, 16, 50))
    context = dice.choice(({}, {"b": "2"}, {"a": "1", "b": "2", "é": "3"}))
    count = dice.randint(1, 4)
    last = dice.choice((0, 1, frame_length))
    frames = [Frame(number, dice.randbytes(frame_length)) for number in range(1, count)]
    frames.append(Frame(count, dice.randbytes(last), final=True))
    signing_key = SIGNING_KEY if suite == 0x0578 else None
    signed = {PUBLIC_KEY: point(SIGNING_KEY)} if signing_key else {}
    return Draft(
        suite, frame_length, {**context, **signed}, dice.randbytes(32), dice.randbytes(32), frames, signing_key
    )


def write(dice: random.Random, draft: Draft) -> bytes:
    """The message of a draft."""
    key, commitment = derive(draft)
    body = header(dice, draft, commitment)
    message = body + AESGCM(key).encrypt(bytes(12), b"", body)
    if draft.body is None:
        message += b"".join(sealed(draft, key, frame) for frame in draft.frames)
    else:
        message += draft.body
    return message + sign(draft, message) + draft.trailing


def derive(draft: Draft) -> tuple[bytes, bytes]:
    """Content key and commitment."""

    def expand(info: bytes) -> bytes:
        return HKDF(hashes.SHA512(), 32, draft.message_id, info).derive(draft.data_key)

    return expand(draft.suite.to_bytes(2) + b"DERIVEKEY"), expand(b"COMMITKEY")


def header(dice: random.Random, draft: Draft, commitment: bytes) -> bytes:
    """The header up to its tag."""
    serialized = serialize(draft.context) if draft.serialized is None else draft.serialized
    edks = [*draft.before, wrap(dice, draft), *draft.after]
    count = len(edks) if draft.edks is None else draft.edks
    return b"".join(
        (
            b"\x02" + draft.suite.to_bytes(2) + draft.message_id,
            prefixed(serialized),
            count.to_bytes(2) + b"".join(prefixed(part) for edk in edks for part in edk),
            bytes([draft.content_type]) + draft.frame_length.to_bytes(4),
            commitment if draft.commitment is None else draft.commitment,
        )
    )


def wrap(dice: random.Random, draft: Draft) -> tuple[bytes, bytes, bytes]:
    """The data key under the KEK that both readers have."""
    nonce = dice.randbytes(12)
    wrapped = AESGCM(KEK).encrypt(nonce, draft.data_key[: draft.key_length], serialize(draft.context))
    info = NAME.encode() + (128).to_bytes(4) + (12).to_bytes(4) + nonce
    return NAMESPACE.encode(), info, wrapped


def serialize(context: dict[str, str]) -> bytes:
    """The context as the format wants it: sorted, and nothing at all for none."""
    return pairs(sorted((key.encode(), value.encode()) for key, value in context.items())) if context else b""


def pairs(items: list[tuple[bytes, bytes]]) -> bytes:
    """Pairs in the order that they come in."""
    return len(items).to_bytes(2) + b"".join(prefixed(part) for pair in items for part in pair)


def prefixed(value: bytes) -> bytes:
    """Bytes behind their length."""
    return len(value).to_bytes(2) + value


def sealed(draft: Draft, key: bytes, frame: Frame) -> bytes:
    """A frame with its head."""
    nonce = frame.number.to_bytes(12) if frame.nonce is None else frame.nonce
    kind = b"AWSKMSEncryptionClient Final Frame" if frame.final else b"AWSKMSEncryptionClient Frame"
    aad = draft.message_id + kind + frame.number.to_bytes(4) + len(frame.plaintext).to_bytes(8)
    head = (frame.number if frame.head is None else frame.head).to_bytes(4) + nonce
    if frame.final if frame.mark is None else frame.mark:
        claim = len(frame.plaintext) if frame.claim is None else frame.claim
        head = b"\xff\xff\xff\xff" + head + claim.to_bytes(4)
    return head + AESGCM(key).encrypt(nonce, frame.plaintext, aad)


def sign(draft: Draft, message: bytes) -> bytes:
    """The footer."""
    if draft.footer is not None:
        return draft.footer
    if draft.signing_key is None:
        return b""
    return prefixed(draft.signing_key.sign(message, ec.ECDSA(hashes.SHA384())))


def point(
    key: ec.EllipticCurvePrivateKey, form: serialization.PublicFormat = serialization.PublicFormat.CompressedPoint
) -> str:
    """A public key as it stands in the context."""
    return base64.b64encode(key.public_key().public_bytes(serialization.Encoding.X962, form)).decode()


SIGNING_KEY = ec.generate_private_key(ec.SECP384R1())
OTHER_KEY = ec.generate_private_key(ec.SECP384R1())
