"""File objects over message files: `wb` writes one, `rb` reads any part of one."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING

from strongroom.errors import AuthenticationFailed, KeyUnavailable, Misuse

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from typing_extensions import Buffer

    from strongroom.crypto import MessageWriter, RangedReader

    Refused = Callable[[AuthenticationFailed], None]

LEAST_BUFFER = 1 << 16
MOST_BUFFER = 1 << 20


def buffered(reader: RangedReader, name: str, refused: Refused) -> io.BufferedReader:
    """A file object whose buffer holds a frame, within reason: what small reads leave of an opened frame is kept.

    `refused` is told of the first frame that does not authenticate.
    """
    size = min(max(reader.frame_length, LEAST_BUFFER), MOST_BUFFER)
    return io.BufferedReader(MessageReader(reader, size, name, refused), size)


class MessageReader(io.RawIOBase):
    """Reads and seeks in the plaintext of a message file; only the frames that are asked for are read and opened.

    Reads of up to `buffer_size` bytes are taken for those that fill a buffer. They end where a frame ends, so that none
    is opened twice, and take in more frames only as it shows that they are wanted. An open file holds 4 MiB at most
    besides that buffer; a read takes 256 KiB for each thread, or a frame where frames are longer.
    """

    def __init__(self, reader: RangedReader, buffer_size: int, name: str, refused: Refused) -> None:
        self._reader: RangedReader | None = reader
        self._frame_length = reader.frame_length
        self._buffer_size = buffer_size
        self._at = 0
        self._expected = 0
        self._more = 0
        self._refused = refused
        self._telling = threading.Lock()
        self._told = False
        self.name = name

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def readinto(self, out: Buffer) -> int:
        """Read into a buffer; 0 at the end."""
        reader = self._open()
        most = memoryview(out).nbytes
        if most <= self._buffer_size:
            most = self._to_frame_end(most)
        try:
            count = reader.read_into(self._at, out, most)
        except AuthenticationFailed as error:
            self._tell(error)
            raise
        self._at = self._expected = self._at + count
        return count

    def _to_frame_end(self, most: int) -> int:
        # one frame after a seek, and twice as many more each time that the next bytes are wanted
        self._more = min(2 * self._more + self._frame_length, most) if self._at == self._expected else 0
        first = self._frame_length - self._at % self._frame_length
        most = max(min(most, first + self._more), first)
        return most - (most - first) % self._frame_length

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes, or all that is left."""
        reader = self._open()
        left = max(len(reader) - self._at, 0)
        data = self.pread(left if size is None or size < 0 else size, self._at)
        self._at += len(data)
        return data

    readall = read

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move to a position of the plaintext."""
        reader = self._open()
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset += len(reader)
        elif whence != io.SEEK_SET:
            raise Misuse("there is no such position")
        if offset < 0:
            raise Misuse("there is no such position")
        self._at = offset
        return offset

    def tell(self) -> int:
        """The position in the plaintext."""
        self._open()
        return self._at

    def pread(self, size: int, offset: int) -> bytes:
        """Read from a position without moving; any number of threads may do so at once."""
        try:
            return self._open().read(offset, size)
        except AuthenticationFailed as error:
            self._tell(error)
            raise

    def close(self) -> None:
        """Let go of the file and of its key, whoever may still hold this object."""
        self._reader = None
        super().close()

    def _tell(self, error: AuthenticationFailed) -> None:
        """Once for all reads: whoever tries again and again learns, and fills the log with, nothing new."""
        with self._telling:
            if self._told:
                return
            self._told = True
        # a room that was closed meanwhile takes no entries, and the bytes are not authentic all the same
        with suppress(KeyUnavailable):
            self._refused(error)

    def _open(self) -> RangedReader:
        reader = self._reader
        if reader is None:
            raise Misuse("the file is closed")
        return reader


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
