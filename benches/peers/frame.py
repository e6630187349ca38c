"""Peers that encrypt one piece of memory a call, driven over frames as a careful user would."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

TAG = 16
MOST_ADDED = 36
"""Bytes that a frame grows by at most: ours add 32, their last one 36."""
HEADER = 1024
"""Room for the header of a message."""


@dataclass(frozen=True, slots=True)
class FramePeer:
    """A cipher behind Python. Both calls take the frame's number for its nonce, the input, and where the output goes."""

    name: str
    seal: Callable[[int, memoryview, memoryview], object]
    open: Callable[[int, memoryview, memoryview], object]
    overhead: int = TAG
    room: int = 0
    """Bytes of working room that it needs behind each opened frame."""
    threads: tuple[int, ...] = (1,)
    share: float = 1.0
    """The part of a large input that is enough to time it."""
    forget: Callable[[], object] | None = None
    """For those that return new bytes, and keep them until then, as a caller would."""


class Buffers:
    """Memory that all peers of a group use in turn."""

    def __init__(self, plaintext: bytearray, frame_length: int) -> None:
        count = -(-len(plaintext) // frame_length)
        self.frame_length = frame_length
        self.plaintext = memoryview(plaintext)
        self.sealed = memoryview(bytearray(len(plaintext) + count * MOST_ADDED + HEADER))
        self.opened = memoryview(bytearray(len(plaintext) + count * MOST_ADDED))


class Frames:
    """A peer at work on buffers, on one thread or several."""

    def __init__(self, peer: FramePeer, buffers: Buffers, *, threads: int) -> None:
        length, whole = buffers.frame_length, len(buffers.plaintext)
        size = whole if whole < LARGE else max(int(whole * peer.share) // length, 1) * length
        self.scale = size / whole
        self.name = peer.name if len(peer.threads) == 1 else f"{peer.name}, {threads} thread{'s' * (threads > 1)}"
        self._peer = peer
        self._length = length
        self._plaintext, self._sealed, self._opened = buffers.plaintext[:size], buffers.sealed, buffers.opened
        self._count = -(-size // length)
        self._threads = threads
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None

    def close(self) -> None:
        """Ends its threads."""
        if self._pool:
            self._pool.shutdown()

    def forget(self) -> None:
        """Frees what it returned."""
        if self._peer.forget:
            self._peer.forget()

    def seal(self) -> None:
        """All frames, once."""
        self._each(self._seal)

    def open(self) -> None:
        """All frames that `seal` made, once."""
        self._each(self._open)

    def check(self) -> None:
        """What is opened is what was sealed: nobody is timed for work that was not done."""
        self.seal()
        self._opened[:] = bytes(len(self._opened))
        self.open()
        frames = (self._open_frame(number) for number in range(self._count))
        if not self._peer.forget and b"".join(frames) != self._plaintext:
            raise AssertionError(f"{self._peer.name} does not give back what it was given")
        self.forget()

    def _open_frame(self, number: int) -> memoryview:
        start = number * (self._length + self._peer.room)
        return self._opened[start : start + min(self._length, len(self._plaintext) - number * self._length)]

    def _each(self, work: Callable[[range], None]) -> None:
        if self._pool is None:
            work(range(self._count))
            return
        share = -(-self._count // self._threads)
        list(self._pool.map(work, (range(at, min(at + share, self._count)) for at in range(0, self._count, share))))

    def _seal(self, numbers: range) -> None:
        seal, plaintext, sealed, length = self._peer.seal, self._plaintext, self._sealed, self._length
        overhead = self._peer.overhead
        step = length + overhead
        for number in numbers:
            frame = plaintext[number * length : (number + 1) * length]
            seal(number, frame, sealed[number * step : number * step + len(frame) + overhead])

    def _open(self, numbers: range) -> None:
        unseal, opened, sealed, length = self._peer.open, self._opened, self._sealed, self._length
        overhead, room, total = self._peer.overhead, self._peer.room, len(self._plaintext)
        step = length + overhead
        for number in numbers:
            start, size = number * (length + room), min(length, total - number * length)
            frame = sealed[number * step : number * step + size + overhead]
            unseal(number, frame, opened[start : start + size + room])


LARGE = 32 << 20
