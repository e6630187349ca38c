"""A whole log verified: its checkpoint, every entry and tile below it, and what waits behind. Writes nothing.

```
1. the checkpoint is signed by the log                     (C2SP tlog-checkpoint)
2. entries hash to leaves, leaves to tiles, tiles to the root   (RFC 6962, section 2.1)
3. the room's keystore has signed no more than there is, and the same     left out where no room is at hand
4. no file stands among the tiles that the tree does not name
5. what waits for a checkpoint is whole
```
A rewrite by whoever holds the signing key is not found by this: only another copy of a checkpoint tells.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.audit.checkpoint import Tree, Verifier, verify
from strongroom.audit.pending import Pending
from strongroom.audit.pruned import read_mark
from strongroom.audit.tiles import TILE, bundle_name, ends_before, named, width
from strongroom.crypto import merkle_check
from strongroom.errors import AuditTampered, AuditUnavailable

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom.crypto import Control


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedLog:
    """A log that verifies: how many entries its checkpoint covers, their root, and how many wait for the next one.

    The first `pruned` of them are gone, as the log has signed.
    """

    log: str
    vkey: str
    size: int
    root: bytes
    waiting: int
    pruned: int


def verify_log(
    folder: Path, verifier: Verifier, known: Tree | None = None, *, control: Control | None = None
) -> VerifiedLog:
    """Verify the log in `folder`. `known` is how far the room has signed it. Raises AuditTampered for the first thing wrong."""
    try:
        # before the checkpoint: it begins at or before what that covers
        pending = Pending(folder / "pending")
        try:
            torn = pending.refresh()
            tree = verify((folder / "checkpoint").read_bytes(), verifier)
            gone = read_mark(folder, verifier)
            check_tree(folder, tree, gone, known, control)
            check_names(folder, tree, gone.size)
            check_waiting(folder, pending, torn, tree, known)
            waiting = pending.end.index - tree.size
        finally:
            pending.close()
    except FileNotFoundError as error:
        raise AuditTampered(f"{error.filename} is missing") from None
    except OSError as error:
        raise AuditUnavailable(f"the audit log {folder} cannot be read: {error}") from error
    return VerifiedLog(
        log=verifier.name, vkey=str(verifier), size=tree.size, root=tree.root, waiting=waiting, pruned=gone.size
    )


def check_tree(folder: Path, tree: Tree, gone: Tree, known: Tree | None, control: Control | None) -> None:
    """Compare every entry and tile with the root, and the tree with what the room has signed."""
    if gone.size > tree.size or (known is not None and gone.size > known.size):
        raise AuditTampered(f"{folder}: the log was pruned further than it was signed")
    within = [gone.size, *([known.size] if known is not None and known.size <= tree.size else [])]
    root, roots = merkle_check(folder, gone.size, tree.size, within, control=control)
    if root != tree.root or roots[0] != gone.root:
        raise AuditTampered(f"{folder}: the entries are not those that the checkpoint covers")
    if known is not None and len(within) > 1 and roots[1] != known.root:
        raise AuditTampered(f"{folder}: this is not the log that the room has signed at {known.size} entries")


def check_names(folder: Path, tree: Tree, gone: int) -> None:
    """Raises AuditTampered for a tile that the tree does not name. Older unfinished tiles hold nothing else than newer ones.

    What a crash has left of those that were pruned is not read by anybody.
    """
    for path in (folder / "tile").rglob("*"):
        if path.is_dir() or path.name.startswith("."):
            continue
        name = path.relative_to(folder).as_posix()
        found = named(name)
        if found is None or found[2] > width(tree.size, found[0], found[1]):
            raise AuditTampered(f"{name} does not belong to the log: someone added it, or took entries away")
        level, index, count = found
        if ends_before(level, index, gone):
            continue
        full = bundle_name(index, TILE) if level == "entries" else name.partition(".p/")[0]
        newest = width(tree.size, level, index)
        beside = folder / (full if newest == TILE else f"{full}.p/{newest}")
        if count < newest and not beside.read_bytes().startswith(path.read_bytes()):
            raise AuditTampered(f"{name} does not hold what the newer tile does: someone changed it")


def check_waiting(folder: Path, pending: Pending, torn: int, tree: Tree, known: Tree | None) -> None:
    """Raises AuditTampered where entries are missing behind the checkpoint, or one of them was changed."""
    if pending.first > tree.size or pending.end.index < tree.size:
        raise AuditTampered(f"{folder}: entries are missing between the checkpoint and {pending.path.name}")
    if torn:
        pending.check_torn(pending.end.offset + torn)
    if known is not None and known.size > pending.end.index:
        raise AuditTampered(
            f"{folder}: an older log was put back, it has {pending.end.index} entries, and the room has signed {known.size}"
        )
