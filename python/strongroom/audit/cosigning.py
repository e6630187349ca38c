"""Cosignatures: what a witness says of a checkpoint. C2SP tlog-cosignature, with Ed25519 and a time.

A witness cosigns a checkpoint only if its tree goes on from the last one that it has seen of that log. So whoever holds the
log's key cannot rewrite what a witness has seen, without its key as well.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from strongroom.audit.checkpoint import Tree, Verifier, key_id, read_vkey, signature_by, verify
from strongroom.audit.pruned import first_kept
from strongroom.audit.reading import signed_size
from strongroom.crypto import ed25519_verify, merkle_check
from strongroom.errors import AuditTampered, AuditUnavailable, AuthenticationFailed
from strongroom.files import write_private

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Cosigner:
    """A witness by its name and Ed25519 public key."""

    name: str
    public_key: bytes

    @property
    def key_id(self) -> bytes:
        """What stands before each of its signatures."""
        return key_id(self.name, COSIGNATURE, self.public_key)

    def __str__(self) -> str:
        """The vkey by which other tools know it."""
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(COSIGNATURE + self.public_key).decode()}"

    @classmethod
    def parse(cls, text: str) -> Cosigner:
        """A vkey. Raises Misuse."""
        return cls(*read_vkey(text, COSIGNATURE, "witness"))


@dataclass(frozen=True, slots=True)
class Cosigned:
    """A checkpoint that a witness has cosigned: whose cosignature it is, the tree, and when that was."""

    witness: str
    tree: Tree
    time: datetime


def cosigned(note: bytes, verifier: Verifier, cosigner: Cosigner) -> Cosigned:
    """What a note with a cosignature says. Raises AuditTampered unless log and witness have signed it."""
    tree = verify(note, verifier)
    try:
        head, _, signatures = note.decode().rpartition("\n\n")
        found = next(found for line in signatures.splitlines() if (found := signature_by(line, cosigner)))
        stamp = int.from_bytes(found[:STAMP], "big")
        said = f"cosignature/v1\ntime {stamp}\n{head}\n".encode()
        ed25519_verify(cosigner.public_key, said, found[STAMP:])
        time = datetime.fromtimestamp(stamp, UTC)
    except (ValueError, StopIteration, OverflowError, OSError, AuthenticationFailed):
        raise AuditTampered(
            f"the checkpoint at {tree.size} entries is not one that {cosigner.name} has cosigned"
        ) from None
    return Cosigned(cosigner.name, tree, time)


def last_cosigned(folder: Path, verifier: Verifier, cosigner: Cosigner) -> Cosigned | None:
    """The newest checkpoint of the log in `folder` that a witness has cosigned, None if there is none."""
    try:
        return cosigned(note_file(folder, cosigner).read_bytes(), verifier, cosigner)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise AuditUnavailable(f"{note_file(folder, cosigner)} cannot be read: {error.strerror}") from error


def cosigned_size(folder: Path, key_id: str) -> int:
    """How many entries the checkpoint covers that the witness with this key has cosigned last, 0 without one. Not verified."""
    return signed_size(folder, f"{WITNESS}/{key_id}")


def check_cosigned(folder: Path, verifier: Verifier, cosigner: Cosigner, size: int) -> Cosigned:
    """Verify that the log in `folder`, which verifies at `size`, goes on from what a witness has cosigned last.

    Raises AuditTampered where it does not, or where the witness has cosigned none of it.
    """
    found = last_cosigned(folder, verifier, cosigner)
    if found is None:
        raise AuditTampered(f"{folder}: there is no checkpoint that {cosigner.name} has cosigned")
    if found.tree.size > size:
        raise AuditTampered(
            f"{folder}: an older log was put back, it has {size} entries, and {cosigner.name} has seen {found.tree.size}"
        )
    _, (root,) = merkle_check(folder, first_kept(folder), size, [found.tree.size])
    if root != found.tree.root:
        raise AuditTampered(f"{folder}: this is not the log that {cosigner.name} has seen at {found.tree.size} entries")
    return found


def keep(folder: Path, note: bytes, cosigner: Cosigner) -> None:
    """Keep a cosigned checkpoint, in the place of the one before. The caller holds `witness/lock`."""
    write_private(note_file(folder, cosigner), note)


def note_file(folder: Path, cosigner: Cosigner) -> Path:
    """Where the newest checkpoint stands that a witness has cosigned: sealing replaces `checkpoint`, and leaves this alone."""
    return folder / WITNESS / cosigner.key_id.hex()


WITNESS = "witness"
COSIGNATURE = b"\x04"
STAMP = 8
