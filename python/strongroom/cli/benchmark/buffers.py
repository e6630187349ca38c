"""Messages from buffer to buffer, beside the bare cipher and a copy of memory."""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from strongroom.cli.benchmark.bounds import BufferEvidence, of_buffer
from strongroom.cli.benchmark.figures import Reference, Row, Times, median, ratio, whole
from strongroom.cli.benchmark.rounds import Measure, interleaved, timed
from strongroom.cli.words import count
from strongroom.client import (
    decrypt_message,
    decrypt_message_into,
    encrypt_message,
    encrypt_message_into,
    encrypted_size,
)
from strongroom.crypto import Control, Header, bench_limit, bench_limit_in
from strongroom.keyring import RawAesKeyring

if TYPE_CHECKING:
    from strongroom.cli.benchmark.facts import Facts

FRAME_LENGTH = 65536
SIDES = ("encrypt", "decrypt")


def measure(length: int, workers: Sequence[int], seconds: float, show: Callable[[], None]) -> Times:
    """Measure buffers of `length` bytes, for about so many seconds.

    Keys: `<side> into|limit <workers>`, `<side> new <most workers>`, `memcpy <workers>`.
    """
    return interleaved(measures(length, workers), seconds, show)


def measures(length: int, workers: Sequence[int]) -> dict[str, Measure]:
    """What is measured. Every buffer exists and is mapped before a clock starts, but for the results that are new."""
    keyring = RawAesKeyring("bench", "throwaway", bytes(32))
    plaintext, back = bytearray(b"\x01") * length, bytearray(b"\x02") * length
    message = memoryview(bytearray(b"\x03") * (encrypted_size(length, keyring) + HALF_PAGE))[HALF_PAGE:]
    repeat = max(1, SAMPLE // length)
    most = Control(workers[-1])

    def anew() -> None:
        """Make the message again, as the limit writes over it."""
        encrypt_message_into(plaintext, message, keyring, control=most)

    anew()
    memory = Memory(plaintext, message[len(Header.parse(message)) :], back)
    found: dict[str, Measure] = {
        f"encrypt new {most.workers}": timed(lambda: encrypt_message(plaintext, keyring, control=most), repeat=repeat),
        f"decrypt new {most.workers}": after(
            anew, timed(lambda: decrypt_message(message, keyring, control=most), repeat=repeat)
        ),
    }
    for threads in workers:
        control = Control(threads)
        encrypt = functools.partial(encrypt_message_into, plaintext, message, keyring, control=control)
        decrypt = functools.partial(decrypt_message_into, message, back, keyring, control=control)
        found[f"encrypt limit {threads}"] = sealing(memory, threads, repeat)
        found[f"decrypt limit {threads}"] = opening(memory, threads, repeat)
        found[f"encrypt into {threads}"] = timed(encrypt, repeat=repeat)
        found[f"decrypt into {threads}"] = after(anew, timed(decrypt, repeat=repeat))
        found[f"memcpy {threads}"] = memcpy(plaintext, back, threads, repeat)
    return found


class Memory(NamedTuple):
    """What a message is made of, where its frames stand, and where they are opened to.

    The limit works there too: places in pages and cache lines decide up to a third of the time.
    """

    plaintext: bytearray
    frames: memoryview
    back: bytearray


def sealing(memory: Memory, threads: int, repeat: int) -> Measure:
    """Make a measure of the bare cipher that seals frames where ours stand: the limit."""
    frame_length = min(FRAME_LENGTH, len(memory.plaintext))

    def seal(rounds: int) -> float:
        return bench_limit_in(frame_length, memory.plaintext, memory.frames, threads, rounds=rounds)

    def measure() -> float:
        if repeat > 1:
            seal(1)
        return seal(repeat) / repeat

    return measure


def opening(memory: Memory, threads: int, repeat: int) -> Measure:
    """Make a measure of the bare cipher that opens such frames, once it has sealed them, which is not timed."""
    frame_length = min(FRAME_LENGTH, len(memory.plaintext))

    def measure() -> float:
        plaintext, frames, back = memory
        return bench_limit_in(frame_length, plaintext, frames, threads, opened=back, rounds=repeat) / repeat

    return measure


def after(prepare: Callable[[], object], measure: Measure) -> Measure:
    """Make a measure that begins with what is not timed."""

    def both() -> float:
        prepare()
        return measure()

    return both


def bare_cipher(length: int, threads: int, side: str, repeat: int) -> Measure:
    """Make a measure of the bare cipher over as many frames, in memory of its own."""
    decrypt = side == "decrypt"
    return lambda: bench_limit(FRAME_LENGTH, length, threads, decrypt=decrypt, rounds=repeat) / repeat


def memcpy(source: bytearray, target: bytearray, threads: int, repeat: int) -> Measure:
    """Make a measure of a plain copy by so many threads, each of which copies its part `repeat` times."""
    pool = ThreadPoolExecutor(threads)
    share = -(-len(source) // threads)
    # ctypes gives up the GIL for the call, which a slice assignment does not
    parts = [
        (ctypes.c_char.from_buffer(target, at), ctypes.c_char.from_buffer(source, at), min(share, len(source) - at))
        for at in range(0, len(source), share)
    ]

    def copy(part: tuple[ctypes.c_char, ctypes.c_char, int], passes: int) -> None:
        to, of, length = part
        for _ in range(passes):
            ctypes.memmove(ctypes.byref(to), ctypes.byref(of), length)

    def copy_all(passes: int) -> None:
        list(pool.map(copy, parts, [passes] * len(parts)))

    def measure() -> float:
        copy_all(1)
        return timed(lambda: copy_all(repeat))() / repeat

    return measure


@dataclass(frozen=True, slots=True)
class Known:
    """What was measured before, and a row may be bound by.

    `cores`: how many times the work of one worker all of them do, where neither memory nor the start of threads matters.
    `cached`: the times of buffers of `CACHED` bytes, for those that are larger.
    """

    facts: Facts
    cores: float
    cached: Times | None = None


def rows(length: int, workers: Sequence[int], times: Times, known: Known) -> list[Row]:
    """Make the rows of one length."""
    most = workers[-1]
    wanted = [(side, "into", threads) for threads in workers for side in SIDES] + [
        (side, "new", most) for side in SIDES
    ]
    return [row(length, which, times, known) for which in wanted]


def row(length: int, which: tuple[str, str, int], times: Times, known: Known) -> Row:
    """Make one row, and say what bounds it."""
    side, way, threads = which
    seconds, limit = times[f"{side} {way} {threads}"], times[f"{side} limit {threads}"]
    return Row(
        group=group(length),
        name=f"{side} {WAYS[way]}, {count(threads, 'worker')}",
        unit="bytes",
        amount=length,
        workers=threads,
        seconds=tuple(seconds),
        limit=tuple(limit),
        bound=of_buffer(evidence(length, which, times, known), known.facts),
    )


def evidence(length: int, which: tuple[str, str, int], times: Times, known: Known) -> BufferEvidence:
    """Gather what the bound of a row rests on."""
    side, way, threads = which
    most = max(int(name.rpartition(" ")[2]) for name in times)
    taken = times[f"{side} {way} {threads}"]

    def rate(name: str, of: Times = times, amount: int = length) -> float:
        return amount / median(of[name])

    return BufferEvidence(
        ratio=ratio(times[f"{side} limit {threads}"], taken),
        workers=threads,
        own=length / median(taken),
        into=rate(f"{side} into {threads}") if way == "new" else None,
        most_workers=most,
        most=rate(f"{side} into {most}"),
        cipher=rate(f"{side} limit {threads}"),
        cipher_one=rate(f"{side} limit 1"),
        cipher_cached=rate(f"{side} limit {threads}", known.cached, CACHED) if known.cached else None,
        cores=known.cores,
        memcpy=rate(f"memcpy {threads}"),
    )


def references(length: int, workers: Sequence[int], times: Times) -> list[Reference]:
    """Make what the rows are read by: the bare cipher and a copy."""
    named = {f"bare cipher, {side}": f"{side} limit" for side in SIDES} | {"memcpy": "memcpy"}
    return [
        Reference(group(length), name, "bytes", length, threads, tuple(times[f"{key} {threads}"]))
        for threads in workers
        for name, key in named.items()
    ]


def group(length: int) -> str:
    """Name the group of a length."""
    return f"buffers of {whole(length)}, {whole(FRAME_LENGTH)} frames"


CACHED = 8 << 20
WAYS = {"into": "into your buffer", "new": "to new bytes"}

# bytes that a sample should cover, so that it is long enough for the clock
SAMPLE = 64 << 20

# buffers from malloc begin at the same place in a page, and processors take such loads and stores for the same address
HALF_PAGE = 2048
