"""Proofs that an entry is in a log, in the format of C2SP tlog-proof: with the checkpoint, they need nothing else."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from strongroom.audit.checkpoint import Tree, Verifier, verify
from strongroom.audit.pruned import read_mark
from strongroom.audit.tiles import TILE, bundle, width
from strongroom.crypto import merkle_includes, merkle_inclusion
from strongroom.errors import AuditTampered, MalformedMessage, Misuse

if TYPE_CHECKING:
    from pathlib import Path


def prove(folder: Path, index: int, verifier: Verifier) -> bytes:
    """The proof of entry `index` against the newest checkpoint, verified before it is given. Raises Misuse."""
    try:
        note = (folder / "checkpoint").read_bytes()
    except FileNotFoundError:
        raise AuditTampered(f"{folder / 'checkpoint'} is missing") from None
    tree = verify(note, verifier)
    first = read_mark(folder, verifier).size
    if not first <= index < tree.size:
        raise Misuse(f"the checkpoint covers entries {first} to {tree.size - 1}, and not {index}")
    hashes = merkle_inclusion(folder, index, tree.size)
    lines = [HEAD, f"index {index}", *(base64.b64encode(each).decode() for each in hashes), "", ""]
    proof = "\n".join(lines).encode() + note
    entry = bundle(folder, index // TILE, width(tree.size, "entries", index // TILE))[index % TILE]
    if check_proof(proof, entry, verifier) != (index, tree):
        raise AuditTampered(f"entry {index} is not the one that was written")
    return proof


def check_proof(proof: bytes, entry: bytes, verifier: Verifier) -> tuple[int, Tree]:
    """The number of `entry` and the tree that it is in, by a proof. Raises AuditTampered, and MalformedMessage for no proof."""
    head, _, note = proof.partition(b"\n\n")
    try:
        title, index, *hashes = head.decode().split("\n")
        number = int(index.removeprefix("index "))
        path = [base64.b64decode(each, validate=True) for each in hashes]
        if title != HEAD or index != f"index {number}" or any(len(each) != HASH for each in path):
            raise ValueError(title)
    except ValueError:
        raise MalformedMessage("this is not a proof of an entry") from None
    tree = verify(note, verifier)
    if not merkle_includes(entry, number, tree.size, path, tree.root):
        raise AuditTampered(f"the proof does not lead from this entry to the root at {tree.size} entries")
    return number, tree


HEAD = "c2sp.org/tlog-proof@v1"
HASH = 32
