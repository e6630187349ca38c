"""What an expert writes over pyca in an hour: two threads, frames in buffers made once, positioned reads and writes.

The frames are those of STREAM: a nonce is a random prefix, the frame's number, and whether it is the last.
"""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from benches.harness.row import Unavailable
from benches.peers.file import FilePeer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

FRAME = 64 << 10
TAG = 16
SEALED = FRAME + TAG
RUN = 32
"""Frames that are read and written at once: more leave the processor's cache, fewer cost more system calls."""
PREFIX = 7
THREADS = 2


def peer(_folder: Path) -> FilePeer:
    """Into a file beside the target, which is durable before it gets the target's name."""
    try:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    except ImportError:
        raise Unavailable("pip install cryptography") from None
    cipher = AESGCM(bytes(32))

    def seal(source: Path, target: Path) -> None:
        prefix = os.urandom(PREFIX)
        with opened(source) as reader, created(target) as writer:
            size = os.fstat(reader).st_size
            os.pwrite(writer, prefix, 0)
            encrypt = cipher.encrypt_into

            def work(claims: Iterator[int], last: int) -> None:
                plain, sealed = memoryview(bytearray(RUN * FRAME)), memoryview(bytearray(RUN * SEALED))
                slots = pairs(plain, sealed)
                for run in claims:
                    at, done = run * RUN * FRAME, 0
                    length = read(reader, plain[: size - at], at)
                    number = run * RUN
                    whole = length == len(plain)
                    for frame, slot in slots if whole else pairs(plain[:length], sealed[: sealed_size(length)]):
                        encrypt(nonce(prefix, number, last), frame, None, slot)
                        number += 1
                        done += len(slot)
                    write(writer, sealed[:done], PREFIX + run * RUN * SEALED)

            share(work, max(-(-size // FRAME), 1))

    def unseal(source: Path, target: Path) -> None:
        with opened(source) as reader, created(target) as writer:
            prefix = os.pread(reader, PREFIX, 0)
            size = os.fstat(reader).st_size - PREFIX
            decrypt = cipher.decrypt_into

            def work(claims: Iterator[int], last: int) -> None:
                plain, sealed = memoryview(bytearray(RUN * FRAME)), memoryview(bytearray(RUN * SEALED))
                slots = pairs(plain, sealed)
                for run in claims:
                    at, done = run * RUN * SEALED, 0
                    length = read(reader, sealed[: size - at], PREFIX + at)
                    number = run * RUN
                    whole = length == len(sealed)
                    for slot, frame in slots if whole else pairs(plain[: plain_size(length)], sealed[:length]):
                        decrypt(nonce(prefix, number, last), frame, None, slot)
                        number += 1
                        done += len(slot)
                    write(writer, plain[:done], run * RUN * FRAME)

            share(work, max(-(-size // SEALED), 1))

    return FilePeer("hand-written pyca, 2 threads", seal, unseal)


def nonce(prefix: bytes, number: int, last: int) -> bytes:
    """12 bytes, as STREAM has them."""
    return prefix + (number << 8 | (number == last)).to_bytes(5, "big")


def pairs(plain: memoryview, sealed: memoryview) -> list[tuple[memoryview, memoryview]]:
    """The frames of two buffers; made once for whole runs, as a slice costs as much as the call that takes it."""
    frames = range(-(-len(sealed) // SEALED))
    return [(plain[at * FRAME : (at + 1) * FRAME], sealed[at * SEALED : (at + 1) * SEALED]) for at in frames]


def sealed_size(plain: int) -> int:
    """An empty file has a frame too."""
    return plain + TAG * max(-(-plain // FRAME), 1)


def plain_size(sealed: int) -> int:
    """The other way."""
    return sealed - TAG * -(-sealed // SEALED)


def share(work: Callable[[Iterator[int], int], None], frames: int) -> None:
    """Runs are taken by whichever thread is free."""
    claims, lock = iter(range(-(-frames // RUN))), threading.Lock()

    def claim() -> Iterator[int]:
        while True:
            with lock:
                run = next(claims, None)
            if run is None:
                return
            yield run

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(lambda _: work(claim(), frames - 1), range(THREADS)))


def read(fd: int, buffer: memoryview, at: int) -> int:
    """All of it, or up to the end of the file."""
    done = 0
    while done < len(buffer):
        count = os.preadv(fd, [buffer[done:]], at + done)
        if not count:
            break
        done += count
    return done


def write(fd: int, data: memoryview, at: int) -> None:
    """All of it."""
    done = 0
    while done < len(data):
        done += os.pwrite(fd, data[done:], at + done)


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """For reading."""
    fd = os.open(path, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


@contextmanager
def created(path: Path) -> Iterator[int]:
    """A new file that gets its name when it is whole and durable."""
    beside = path.with_name(path.name + ".part")
    fd = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        yield fd
        os.fsync(fd)
        beside.rename(path)
        with opened(path.parent) as folder:
            os.fsync(folder)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    finally:
        os.close(fd)
