"""Signed checkpoints: C2SP tlog-checkpoint in a C2SP signed-note, with Ed25519."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from strongroom.crypto import ed25519_verify
from strongroom.errors import AuditTampered, AuthenticationFailed, Misuse

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Tree:
    """How far a log has come: how many entries it has, and the root over them."""

    size: int
    root: bytes


class Signer(Protocol):
    """Whose lines are looked for below a note."""

    @property
    def name(self) -> str: ...  # noqa: D102 - see Verifier
    @property
    def key_id(self) -> bytes: ...  # noqa: D102 - see Verifier


@dataclass(frozen=True, slots=True)
class Verifier:
    """Whose signature a checkpoint must have: the log's name and Ed25519 public key."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """The first bytes of a hash over both, which stand before each signature."""
        return key_id(self.name, ED25519, self.public_key)

    def __str__(self) -> str:
        """The vkey by which other tools know it."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Verifier:
        """A vkey. Raises Misuse."""
        return cls(*read_vkey(text, ED25519, "log"))


def key_id(name: str, kind: bytes, public_key: bytes) -> bytes:
    """The first bytes of a hash over a signer's name and key, and what kind of signatures it makes."""
    return hashlib.sha256(name.encode() + b"\n" + kind + public_key).digest()[:4]


def read_vkey(text: str, kind: bytes, whose: str) -> tuple[str, bytes]:
    """The name and the public key in a vkey of this kind. Raises Misuse."""
    try:
        name, said, key = text.strip().split("+", 2)
        content = base64.b64decode(key, validate=True)
    except (ValueError, binascii.Error):
        raise Misuse(f"this is not the key of a {whose}: NAME+ID+KEY") from None
    public_key = content[1:]
    if not name or content[:1] != kind or len(content) != 33 or key_id(name, kind, public_key).hex() != said:
        raise Misuse(f"this is not an Ed25519 key of a {whose}, or not whole")
    return name, public_key


def sign(tree: Tree, verifier: Verifier, signature_of: Callable[[bytes], bytes]) -> bytes:
    """The checkpoint of `tree`, signed by its log."""
    text = f"{verifier.name}\n{tree.size}\n{base64.b64encode(tree.root).decode()}\n".encode()
    return sign_note(text, verifier, signature_of)


def sign_note(text: bytes, verifier: Verifier, signature_of: Callable[[bytes], bytes]) -> bytes:
    """A note of these lines, signed by the log (C2SP signed-note)."""
    signature = base64.b64encode(verifier.key_id + signature_of(text)).decode()
    return text + f"\n{DASH} {verifier.name} {signature}\n".encode()


def verify(note: bytes, verifier: Verifier) -> Tree:
    """The tree that a checkpoint speaks of. Raises AuditTampered unless the log has signed it. Other signers are not looked at."""
    try:
        origin, size, root, *_ = text_of(note, verifier).split("\n")
        tree = Tree(int(size), base64.b64decode(root, validate=True))
        if origin != verifier.name or str(tree.size) != size or len(tree.root) != 32:
            raise ValueError(origin)
    except ValueError:
        raise AuditTampered(f"the checkpoint is not one that {verifier.name} has signed") from None
    return tree


def text_of(note: bytes, verifier: Verifier) -> str:
    """The lines of a note. Raises ValueError unless the log has signed them."""
    head, _, signatures = note.decode().rpartition("\n\n")
    text = head + "\n"
    try:
        # the first line that is ours decides: a known signer whose signature fails rejects the note
        found = next(found for line in signatures.splitlines() if (found := signature_by(line, verifier)))
        ed25519_verify(verifier.public_key, text.encode(), found)
    except (StopIteration, AuthenticationFailed):
        raise ValueError("not signed by the log") from None
    return text


def signature_by(line: str, verifier: Signer) -> bytes | None:
    """The signature of a line, if it is of this signer."""
    dash, name, content = line.split(" ")
    decoded = base64.b64decode(content, validate=True)
    if dash != DASH:
        raise ValueError(line)
    return decoded[4:] if name == verifier.name and decoded[:4] == verifier.key_id else None


EMPTY = Tree(0, hashlib.sha256(b"").digest())
ED25519 = b"\x01"
DASH = "\u2014"
