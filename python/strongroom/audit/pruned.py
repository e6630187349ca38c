"""How far a log was pruned: the signed mark `pruned`, and the tiles that nothing needs behind it.

Specified in docs/spec/audit.md, "Pruning", after C2SP tlog-tiles: what goes are bundles and tiles that end at or before the mark, so
every proof about the rest can still be made.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from strongroom.audit.checkpoint import EMPTY, Tree, Verifier, sign_note, text_of
from strongroom.audit.tiles import TILE, ends_before, named
from strongroom.errors import AuditTampered
from strongroom.files import sync_directory, write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def read_mark(folder: Path, verifier: Verifier) -> Tree:
    """The tree of the entries that are gone, an empty one where none are. Raises AuditTampered unless the log has signed it."""
    try:
        note = (folder / MARK).read_bytes()
    except FileNotFoundError:
        return EMPTY
    try:
        title, name, size, root, end = text_of(note, verifier).split("\n")
        tree = Tree(int(size), base64.b64decode(root, validate=True))
        if (title, name, str(tree.size), end) != (TITLE, verifier.name, size, "") or tree.size % TILE:
            raise ValueError(title)
    except ValueError:
        raise AuditTampered(f"{folder / MARK} is not one that {verifier.name} has signed") from None
    return tree


def first_kept(folder: Path) -> int:
    """The number of the first entry that is there. Not verified."""
    try:
        return int((folder / MARK).read_bytes().split(b"\n")[2])
    except FileNotFoundError:
        return 0
    except (IndexError, ValueError):
        raise AuditTampered(f"{folder / MARK} is not what a log puts there") from None


def write_mark(folder: Path, tree: Tree, verifier: Verifier, signature_of: Callable[[bytes], bytes]) -> None:
    """Say that the entries of `tree` are gone, before they go; durable on return."""
    text = f"{TITLE}\n{verifier.name}\n{tree.size}\n{base64.b64encode(tree.root).decode()}\n".encode()
    write_private(folder / MARK, sign_note(text, verifier, signature_of))


def remove_pruned(folder: Path, first: int) -> int:
    """Remove every bundle and tile that ends at or before entry `first`. Gives how many. A crash leaves some for the next time."""
    count, changed = 0, set()
    for path in sorted((folder / "tile").rglob("*")):
        found = None if path.is_dir() else named(path.relative_to(folder).as_posix())
        if found is None:
            continue
        if ends_before(found[0], found[1], first):
            path.unlink()
            changed.add(path.parent)
            count += 1
    for directory in sorted(changed, reverse=True):
        if directory.suffix == ".p" and not any(directory.iterdir()):
            directory.rmdir()
            directory = directory.parent
        sync_directory(directory)
    return count


MARK = "pruned"
TITLE = "strongroom/1/pruned"
