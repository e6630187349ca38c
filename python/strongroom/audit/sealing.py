"""Sealing: entries that are durable go into tiles, and a checkpoint is signed over them.

```
1. read what is pending, and make it durable        others append meanwhile
2. write the tiles, read them back, compare
3. the keystore remembers how far the log is        the second place, which an older log does not agree with
4. write the checkpoint
5. leave of `pending` what came meanwhile
```
After a crash anywhere in between it is all done again: what is pending is still there, and the tiles come out the same.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Protocol

from strongroom.audit.checkpoint import EMPTY, Tree, Verifier, sign, verify
from strongroom.audit.locks import Lock
from strongroom.audit.tiles import sweep, write_tiles
from strongroom.crypto import merkle_check, merkle_consistency, merkle_continues, merkle_grow
from strongroom.errors import AuditTampered, AuditUnavailable
from strongroom.files import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from strongroom.audit.pending import Pending, Span


class Beat(Protocol):
    """Hears that a step has ended, and how many seconds the next may take, the usual if it says nothing."""

    def __call__(self, seconds: float | None = None) -> None:
        """Take note."""


class Notary(Protocol):
    """Signs for one log, and remembers elsewhere how far it was."""

    @property
    def verifier(self) -> Verifier:
        """The log's name and public key."""

    def sign(self, text: bytes) -> bytes:
        """The signature of a checkpoint's text."""

    def remembered(self) -> Tree:
        """How far the log was when it was last signed. Raises KeystoreUnavailable."""

    def remember(self, before: Tree, after: Tree) -> None:
        """Let `after` take the place of `before`. Raises AuditTampered if something else stands there."""


class Sealing:
    """One sealing of the log in `folder`. `beat` hears of each step that could hang."""

    def __init__(
        self,
        folder: Path,
        notary: Notary,
        prefix: Callable[[], tuple[Pending, Span]],
        trim: Callable[[int], None],
        beat: Beat,
    ) -> None:
        self._folder = folder
        self._notary = notary
        self._prefix = prefix
        self._trim = trim
        self._beat = beat
        self._written: list[str] = []

    def run(self, *, wait: bool) -> Tree | None:
        """Seal what is pending. Gives the tree, None if someone else is at it and we do not `wait`."""
        lock = Lock(self._folder / "sealing")
        try:
            if not lock.take(wait=wait):
                if wait:
                    raise AuditUnavailable(
                        f"another process is sealing {self._folder} and does not end: is it stopped?"
                    )
                return None
            self._beat()
            pending, end = self._prefix()
            try:
                return self._run(pending, end)
            finally:
                pending.close()
        finally:
            lock.close()

    def _run(self, pending: Pending, end: Span) -> Tree:
        self._beat(KEYSTORE)
        before, known = self._signed(), self._notary.remembered()
        self._beat()
        self._check_whole(before or EMPTY, known, pending.first, end.index)
        if before is None and end.index == 0:
            # a log that has not begun
            return EMPTY
        tree = before or EMPTY
        if end.index > tree.size:
            tree = self._grown(tree, known, self._entries(pending, end, tree.size))
        else:
            self._check_edge(tree, known)
        if before == tree == known and pending.first == tree.size:
            return tree
        if tree != known:
            self._beat(KEYSTORE)
            self._notary.remember(known, tree)
        self._beat()
        if tree != before:
            write_private(self._folder / "checkpoint", sign(tree, self._notary.verifier, self._notary.sign))
        self._trim(tree.size)
        sweep(self._folder, self._written, (before or EMPTY).size, tree.size)
        return tree

    def _signed(self) -> Tree | None:
        try:
            return verify((self._folder / "checkpoint").read_bytes(), self._notary.verifier)
        except FileNotFoundError:
            return None

    def _check_whole(self, signed: Tree, known: Tree, first: int, end: int) -> None:
        """Raises AuditTampered where entries are missing that were signed, or acknowledged."""
        if first > signed.size or end < signed.size:
            raise AuditTampered(
                f"{self._folder}: entries are missing, the checkpoint covers {signed.size}, and those behind it are {first} to {end}"
            )
        if known.size > end:
            raise AuditTampered(
                f"{self._folder}: an older log was put back, it has {end} entries, and the room has signed {known.size}"
            )

    def _entries(self, pending: Pending, end: Span, start: int) -> Iterator[bytes]:
        """What is to be sealed: the entries from number `start` on."""
        entries = (entry for _, entry in pending.entries(pending.start, end.offset))
        return islice(entries, start - pending.first, None)

    def _grown(self, tree: Tree, known: Tree, entries: Iterator[bytes]) -> Tree:
        """The tree with `entries`, written, read back and compared, a number of them at a time."""
        if known.size <= tree.size:
            self._check_edge(tree, known)
        while chunk := list(islice(entries, CHUNK)):
            files, size, root = merkle_grow(self._folder, tree.size, tree.root, chunk)
            write_tiles(self._folder, files, self._beat)
            self._written += [name for name, _ in files]
            within = [known.size] if tree.size < known.size <= size else []
            found, roots = merkle_check(self._folder, tree.size, size, within)
            if found != root:
                raise AuditTampered(f"{self._folder}: what was written is not what is read back")
            if within and roots[0] != known.root:
                raise AuditTampered(f"{self._folder}: this is not the log that the room has signed at {known.size}")
            tree = Tree(size, root)
            self._beat()
        return tree

    def _check_edge(self, tree: Tree, known: Tree) -> None:
        """Raises AuditTampered unless the tiles end in `tree`, and it goes on where the room has signed last."""
        found, _ = merkle_check(self._folder, tree.size, tree.size, [])
        if found != tree.root:
            raise AuditTampered(f"{self._folder}: the tiles are not those that were signed at {tree.size} entries")
        path = merkle_consistency(self._folder, known.size, tree.size)
        if not merkle_continues(known.size, known.root, tree.size, tree.root, path):
            raise AuditTampered(f"{self._folder}: this is not the log that the room has signed at {known.size}")


CHUNK = 16_384
# seconds that the keystore may take: it has an end to each wait of its own
KEYSTORE = 60
