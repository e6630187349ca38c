"""Entries that no checkpoint covers yet: the file `pending`. Specified in docs/spec/audit.md, "pending".

```
magic 8 │ fence 8 │ first 8 │ checksum 8    then    length 2 │ entry │ checksum 8    again and again
```
The file is replaced whole once its entries are in tiles, under the next fence. Fence and number go into each checksum, so
what a writer that lost its turn would append is not taken for an entry.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.errors import AuditTampered
from strongroom.files import FILE_MODE, replacing, sync_directory

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Span:
    """A place in the file between two entries: its offset, and the number of the entry behind it."""

    offset: int
    index: int


class Pending:
    """The file, open. What others have put there since is read by `refresh`. The caller keeps writers apart."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        try:
            self.fence, self.first = read_head(self.descriptor, path)
        except BaseException:
            os.close(self.descriptor)
            raise
        self.end = self.start

    @property
    def start(self) -> Span:
        """The place before its first entry."""
        return Span(HEAD, self.first)

    @property
    def count(self) -> int:
        """Entries in it, as far as they were read."""
        return self.end.index - self.first

    def is_current(self) -> bool:
        """Whether this is still the file of that name. Raises FileNotFoundError if there is none."""
        ours, named = os.fstat(self.descriptor), os.stat(self.path)
        return (ours.st_dev, ours.st_ino) == (named.st_dev, named.st_ino)

    def refresh(self) -> int:
        """Read what is new. Gives how many bytes behind the last whole entry are none."""
        size = os.fstat(self.descriptor).st_size
        if size == self.end.offset:
            return 0
        for end, _ in self.entries(self.end, size):
            self.end = end
        return size - self.end.offset

    def entries(self, start: Span, size: int) -> Iterator[tuple[Span, bytes]]:
        """The whole entries from `start` on, each with the place behind it."""
        at, content, base = start, b"", start.offset
        while True:
            offset = at.offset - base
            length = int.from_bytes(content[offset : offset + LENGTH], "big")
            whole = LENGTH + length + CHECKSUM
            if len(content) < offset + whole and base + len(content) < size:
                left = size - at.offset
                content = read_at(self.descriptor, at.offset, min(left, max(BLOCK, whole)))
                base, offset = at.offset, 0
                length = int.from_bytes(content[:LENGTH], "big")
                whole = LENGTH + length + CHECKSUM
                if len(content) < whole <= left:
                    content = read_at(self.descriptor, at.offset, whole)
            record = content[offset : offset + whole]
            entry = record[LENGTH : LENGTH + length]
            if len(record) < whole or record != pack(self.fence, at.index, entry):
                return
            at = Span(at.offset + whole, at.index + 1)
            yield at, entry

    def check_torn(self, size: int) -> None:
        """Raises AuditTampered where an entry stands behind what is none: a crash leaves that at the end only."""
        start = self.end
        record = read_at(self.descriptor, start.offset, min(size - start.offset, LENGTH + MAX_LENGTH + CHECKSUM))
        behind = start.offset + LENGTH + int.from_bytes(record[:LENGTH], "big") + CHECKSUM
        if any(record) and any(True for _ in self.entries(Span(behind, start.index + 1), size)):
            raise AuditTampered(f"entry {start.index} of the audit log was changed before it was signed: {self.path}")

    def append(self, entries: Sequence[bytes]) -> bool:
        """One write. A short one is taken back, so that a full disk leaves no half; then False."""
        records = b"".join(pack(self.fence, index, entry) for index, entry in enumerate(entries, self.end.index))
        if os.write(self.descriptor, records) != len(records):
            os.ftruncate(self.descriptor, self.end.offset)
            return False
        self.end = Span(self.end.offset + len(records), self.end.index + len(entries))
        return True

    def replace(self, first: int) -> None:
        """Put a file in its place that begins with entry `first`, durable on return. This one stays open."""
        left = (entry for end, entry in self.entries(self.start, self.end.offset) if end.index > first)
        write_pending(self.path, self.fence + 1, first, left)

    def cut(self) -> None:
        """Take away what is behind the last whole entry."""
        os.ftruncate(self.descriptor, self.end.offset)

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


def write_pending(path: Path, fence: int, first: int, entries: Iterable[bytes]) -> None:
    """Put a new file in the place of the old one, durable on return."""
    with replacing(path) as beside:
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE)
        with os.fdopen(descriptor, "wb") as file:
            file.write(head_of(fence, first))
            for index, entry in enumerate(entries, first):
                file.write(pack(fence, index, entry))
            file.flush()
            os.fsync(file.fileno())
    sync_directory(path.parent)


def head_of(fence: int, first: int) -> bytes:
    """What the file begins with."""
    said = MAGIC + fence.to_bytes(8, "big") + first.to_bytes(8, "big")
    return said + hashlib.sha256(said).digest()[:CHECKSUM]


def pack(fence: int, index: int, entry: bytes) -> bytes:
    """An entry as it stands in the file."""
    said = len(entry).to_bytes(LENGTH, "big") + entry
    where = fence.to_bytes(8, "big") + index.to_bytes(8, "big")
    return said + hashlib.sha256(where + said).digest()[:CHECKSUM]


def read_head(descriptor: int, path: Path) -> tuple[int, int]:
    """The fence, and the number of the first entry."""
    head = read_at(descriptor, 0, HEAD)
    fence, first = int.from_bytes(head[8:16], "big"), int.from_bytes(head[16:24], "big")
    if head != head_of(fence, first):
        raise AuditTampered(f"{path} does not begin as an audit log's does: someone changed it")
    return fence, first


def read_at(descriptor: int, offset: int, length: int) -> bytes:
    """So many bytes, or as many as there are."""
    content = bytearray()
    while len(content) < length:
        block = os.pread(descriptor, length - len(content), offset + len(content))
        if not block:
            break
        content += block
    return bytes(content)


MAGIC = b"SRaudit1"
HEAD = 32
LENGTH = 2
CHECKSUM = 8
MAX_LENGTH = 65_535
BLOCK = 1 << 20
