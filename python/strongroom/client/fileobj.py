"""File objects over message files: `wb` writes one, `rb` reads any part of one."""

from __future__ import annotations

import io
import sys
from typing import TYPE_CHECKING

from strongroom.errors import Misuse

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

    from strongroom.crypto import MessageWriter, RangedReader

BUFFER_SIZE = 1 << 20
"""Bytes read ahead of small reads."""


class MessageReader(io.RawIOBase):
    """Reads and seeks in the plaintext of a message file; only the frames that are asked for are read and opened."""

    def __init__(self, reader: RangedReader, name: str) -> None:
        self._reader = reader
        self._at = 0
        self.name = name

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, out: Buffer) -> int:
        """Read into a buffer; 0 at the end."""
        self._open()
        count = self._reader.read_into(self._at, out)
        self._at += count
        return count

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes, or all that is left."""
        self._open()
        left = max(len(self._reader) - self._at, 0)
        data = self._reader.read(self._at, left if size is None or size < 0 else size)
        self._at += len(data)
        return data

    readall = read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position of the plaintext."""
        self._open()
        bases = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: len(self._reader)}
        if whence not in bases or bases[whence] + offset < 0:
            raise Misuse("there is no such position")
        self._at = bases[whence] + offset
        return self._at

    def tell(self) -> int:
        """The position in the plaintext."""
        self._open()
        return self._at

    def pread(self, size: int, offset: int) -> bytes:
        """Read from a position without moving; any number of threads may do so at once."""
        self._open()
        return self._reader.read(offset, size)

    def _open(self) -> None:
        if self.closed:
            raise Misuse("the file is closed")


class MessageFileWriter(io.RawIOBase):
    """Writes a message file. It gets its name when it is closed without an exception in flight, and never otherwise.

    That holds for `close()` in a `finally` and under wrappers such as `io.TextIOWrapper` as well as for `with`.
    """

    def __init__(self, writer: MessageWriter, name: str) -> None:
        self._writer = writer
        self._handled = sys.exception()
        self.name = name

    def writable(self) -> bool:
        """True."""
        return True

    def write(self, data: Buffer) -> int:
        """Take in more plaintext, all of it."""
        if self.closed:
            raise Misuse("the file is closed")
        return self._writer.write(data)

    def tell(self) -> int:
        """Plaintext bytes taken in so far."""
        return self._writer.tell()

    def abort(self) -> None:
        """Forget everything that was written; the file never was."""
        self._writer.abort()
        super().close()

    def close(self) -> None:
        """Write the final frame and give the file its name, durably; with an exception in flight, abort."""
        if self.closed:
            return
        # one that was being handled when the file was opened has nothing to do with what was written since
        if sys.exception() not in (None, self._handled):
            self.abort()
            return
        try:
            self._writer.finish()
        finally:
            super().close()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.abort()

    def __enter__(self) -> Self:
        return self

    def __del__(self) -> None:
        # a writer that nobody closed was abandoned: sealing a part of the data as the whole would be a lie
        if not self.closed:
            self.abort()
