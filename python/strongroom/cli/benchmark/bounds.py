"""From figures to what bounds a row and what to change. Pure: no clock, no file, no machine.

A cause is named only where a measure of the same run shows it, and something to change only where that measure says
that it would help.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.cli.benchmark.figures import Bound, Row, Spread
from strongroom.cli.machine import ENOUGH_LOCKED, RAISE_MEMLOCK
from strongroom.cli.words import count, duration, size

if TYPE_CHECKING:
    from strongroom.cli.benchmark.facts import Facts, Meanwhile


@dataclass(frozen=True, slots=True)
class BufferEvidence:
    """Bytes a second of a buffer row, and of what was measured beside it over the same bytes.

    `into`: the same into a buffer of the caller, where this row makes new bytes. `most`: with all `most_workers`.
    `cipher`: the bare cipher, with as many workers; `cipher_one` with one; `cipher_cached` with as many, on data that fit
    in the cache, where these do not. `memcpy`: as many workers. `cores`: not a rate, but how many times the work of one
    worker all do where nothing but cores matters.
    """

    ratio: Spread
    workers: int
    own: float
    into: float | None
    most_workers: int
    most: float
    cipher: float
    cipher_one: float
    cipher_cached: float | None
    memcpy: float
    cores: float


def of_buffer(evidence: BufferEvidence, facts: Facts) -> Bound:
    """Say what bounds a message from buffer to buffer."""
    if evidence.ratio.width > NOISY:
        return noise(evidence.ratio)
    if evidence.into is not None and evidence.into >= SLOWER_BY * evidence.own:
        return page_allocation(evidence.own, evidence.into, facts)
    if evidence.ratio.median < REACHED:
        return overhead(evidence.ratio.median, "the bare cipher")
    if evidence.workers < evidence.most_workers:
        return one_core(evidence.workers, evidence.most_workers, evidence.most / evidence.own)
    if evidence.cipher_cached is not None and evidence.cipher_cached >= SLOWER_BY * evidence.cipher:
        return memory_bandwidth(evidence.cipher, evidence.cipher_cached, evidence.memcpy)
    if evidence.cores < SCALES * evidence.workers:
        return shared_cores(evidence.workers, evidence.cores, facts)
    if evidence.cipher < SCALES * evidence.workers * evidence.cipher_one:
        return threads(evidence.workers, evidence.cipher / evidence.cipher_one, evidence.cores)
    return cipher(evidence.cipher_one, facts)


@dataclass(frozen=True, slots=True)
class FileEvidence:
    """Seconds of the parts of a file job alone: the bare cipher, moving the bytes, and making them durable."""

    ratio: Spread
    length: int
    workers: int
    cipher: float
    moving: float
    durable: float
    filesystem: str
    in_memory: bool


def of_file(evidence: FileEvidence, facts: Facts) -> Bound:
    """Say what bounds a file."""
    parts = {"cipher": evidence.cipher, "moving": evidence.moving, "durable": evidence.durable}
    largest = max(parts, key=lambda part: parts[part])
    share = parts[largest] / sum(parts.values())
    if evidence.ratio.width > NOISY:
        return noise(evidence.ratio)
    if evidence.ratio.median < REACHED:
        return overhead(evidence.ratio.median, "the same reads and writes and the bare cipher together")
    if largest == "durable":
        return slow_disk(evidence, share)
    if largest == "cipher":
        return cipher(evidence.length / evidence.cipher / evidence.workers, facts)
    meanwhile = "; other workers encrypt meanwhile" if evidence.ratio.median > OVERLAPS else ""
    if evidence.in_memory:
        return Bound(
            "page allocation",
            f"reading and writing without a cipher is {share:.0%} of the least time: {evidence.filesystem} fetches and "
            f"clears a page for every 4 KiB written{meanwhile}",
        )
    return Bound(
        "file system",
        f"reading and writing without a cipher, through the page cache of {evidence.filesystem}, is {share:.0%} of the "
        f"least time{meanwhile}",
    )


@dataclass(frozen=True, slots=True)
class MessageEvidence:
    """Messages a second of a row, and of what was measured beside it.

    `many`: many a call, one worker. `most`: many a call, with all `most_workers`. `floor`: key, header and one frame
    alone, with as many workers; `floor_one` with one.
    """

    ratio: Spread
    one_a_call: bool
    workers: int
    own: float
    many: float
    most_workers: int
    most: float
    floor_one: float
    floor: float


def of_message(evidence: MessageEvidence, facts: Facts) -> Bound:
    """Say what bounds small messages."""
    if evidence.ratio.width > NOISY:
        return noise(evidence.ratio)
    if evidence.one_a_call and evidence.many >= SLOWER_BY * evidence.own:
        return Bound(
            "calls",
            f"{1 - evidence.ratio.median:.0%} of each message goes to calls from Python rather than to keys and cipher; "
            f"many a call are {times(evidence.many / evidence.own)} as fast on one worker",
            "hand small messages over together: Room.encrypt_many, Room.decrypt_many",
        )
    if evidence.ratio.median < REACHED:
        return overhead(evidence.ratio.median, "key, header and one frame alone")
    if evidence.workers < evidence.most_workers:
        return one_core(evidence.workers, evidence.most_workers, evidence.most / evidence.own)
    if evidence.workers > 1 and evidence.floor < SCALES * evidence.workers * evidence.floor_one:
        return shared_cores(evidence.workers, evidence.floor / evidence.floor_one, facts)
    return Bound(
        "a key each",
        f"every message has a key of its own, derived anew: {duration_of(evidence.workers / evidence.floor)} of a core for "
        "key, header and frame, at the least",
    )


@dataclass(frozen=True, slots=True)
class RangedEvidence:
    """Seconds of one ranged read, and of its least: fetching a frame and opening it."""

    ratio: Spread
    own: float
    fetch: float
    open: float


def of_ranged(evidence: RangedEvidence) -> Bound:
    """Say what bounds ranged reads."""
    if evidence.ratio.width > NOISY:
        return noise(evidence.ratio)
    if evidence.ratio.median < REACHED:
        return overhead(evidence.ratio.median, "fetching and opening one frame")
    return Bound(
        "whole frames",
        f"a read fetches a frame of 64 KiB ({duration_of(evidence.fetch)}) and opens it ({duration_of(evidence.open)}), "
        "however little of it is wanted",
        "where most reads are small, use a data class with shorter frames, or read neighbours in one read",
    )


@dataclass(frozen=True, slots=True)
class DurableEvidence:
    """Seconds of a small durable file, of the same steps without a cipher, and of syncing a file and its directory."""

    ratio: Spread
    own: float
    floor: float
    fsync: float
    filesystem: str


def of_durable(evidence: DurableEvidence) -> Bound:
    """Say what bounds small files, and so rooms."""
    if evidence.ratio.width > NOISY and evidence.ratio.median < REACHED:
        return noise(evidence.ratio)
    if evidence.ratio.median < REACHED:
        return overhead(evidence.ratio.median, "the same file without a cipher")
    if evidence.fsync >= HALF * evidence.own:
        return Bound(
            "fsync",
            f"syncing a new file and its directory takes {evidence.filesystem} {duration_of(evidence.fsync)} of the "
            f"{duration_of(evidence.own)}; a room waits for as much once a lease",
            "encrypt many small files as a directory, which makes them durable in groups",
        )
    return Bound(
        "system calls",
        f"creating, naming and syncing a file on {evidence.filesystem} takes {duration_of(evidence.floor)} without a cipher",
    )


def noise(ratio: Spread) -> Bound:
    """The rounds disagree: no verdict."""
    return Bound(
        "noise",
        f"between a quarter and three quarters of the rounds it is {ratio.low:.2f} to {ratio.high:.2f} of its limit: "
        "something else was running",
        "run it again when the machine is quiet",
    )


def page_allocation(own: float, into: float, facts: Facts) -> Bound:
    """New results cost more in page faults than in the cipher."""
    sentence = (
        f"{1 - own / into:.0%} of the time goes to fetching and clearing pages for the new bytes; "
        f"into a buffer that exists it is {times(into / own)} as fast"
    )
    if facts.huge_pages == "never":
        return Bound("page allocation", f"{sentence}; huge pages are off", HUGE_PAGES_ON)
    return Bound("page allocation", sentence, "keep a buffer and use encrypt_into and decrypt_into")


def overhead(reached: float, limit: str) -> Bound:
    """Below the limit, and nothing that was measured explains it."""
    return Bound("overhead", f"Strongroom itself: {reached:.2f} of {limit}")


def one_core(workers: int, most_workers: int, speed_up: float) -> Bound:
    """Fewer workers than there are."""
    cores = "one core" if workers == 1 else f"{workers} cores"
    return Bound(cores, f"{count(workers, 'worker')}; {most_workers} are {times(speed_up)} as fast")


def memory_bandwidth(rate: float, cached: float, memcpy: float) -> Bound:
    """Data that do not fit in the cache."""
    return Bound(
        "memory",
        f"the bare cipher does {gigabytes(rate)} here and {gigabytes(cached)} on data in the cache; "
        f"memcpy does {gigabytes(memcpy)}",
        "encrypt data in pieces of a few MiB, while they are still in the cache",
    )


def shared_cores(workers: int, speed_up: float, facts: Facts) -> Bound:
    """More threads than cores that do work."""
    why = (
        f"the processor runs {facts.threads_per_core} threads a core"
        if facts.threads_per_core > 1
        else "the host shares cores or memory among them"
    )
    return Bound(
        "shared cores",
        f"{workers} workers do only {times(speed_up)} the work of one, without Strongroom as well: {why}",
    )


def threads(workers: int, speed_up: float, cores: float) -> Bound:
    """Work that is over before all threads are at it."""
    return Bound(
        "threads",
        f"it is short for starting threads: {workers} do the bare cipher {times(speed_up)} as fast as one here, and longer "
        f"work {times(cores)}",
    )


def slow_disk(evidence: FileEvidence, share: float) -> Bound:
    """What waits for the disk."""
    return Bound(
        "disk",
        f"waiting until {evidence.filesystem} has the file on the disk is {share:.0%} of the least time, with or without a "
        f"cipher; it takes {gigabytes(evidence.length / (evidence.moving + evidence.durable))}, and the bare cipher does "
        f"{gigabytes(evidence.length / evidence.cipher)}",
        "put results on a faster disk (--dir measures another)",
    )


def cipher(per_core: float, facts: Facts) -> Bound:
    """As fast as the processor encrypts."""
    alone = ", of which there is one" if facts.processors == 1 else ""
    sentence = f"the processor: AES-256-GCM at {gigabytes(per_core)} a core{alone}"
    match facts.aes:
        case "aes-ni":
            return Bound("cipher, no VAES", f"{sentence}, without VAES", USE_VAES)
        case "none":
            return Bound("cipher, no AES", f"{sentence}, without AES instructions", USE_AES)
        case "vaes-avx512" | "vaes-avx2":
            return Bound("cipher", f"{sentence}, with VAES")
        case _:
            return Bound("cipher", sentence)


@dataclass(frozen=True, slots=True)
class Advice:
    """Something to change, and what was measured that says so."""

    change: str
    because: str
    rows: tuple[str, ...] = ()


def advice(rows: Iterable[Row], facts: Facts, meanwhile: Meanwhile) -> list[Advice]:
    """Gather what to change: by the rows, each change once, and by the machine."""
    gathered: dict[str, Advice] = {}
    for row in rows:
        if row.bound.change is not None:
            known = gathered.get(row.bound.change) or Advice(row.bound.change, row.bound.sentence)
            name = f"{row.group}: {row.name}"
            gathered[row.bound.change] = Advice(known.change, known.because, (*known.rows, name))
    return [*gathered.values(), *of_machine(facts, meanwhile)]


def of_machine(facts: Facts, meanwhile: Meanwhile) -> list[Advice]:
    """Say what the machine itself should change: what bounds no row, or all of them."""
    found = []
    if meanwhile.throttled > NOTICEABLE:
        because = f"the quota of its control group held this process back for {meanwhile.throttled:.0%} of the time"
        found.append(Advice("raise the CPU quota (cpu.max)", because))
    if facts.workers < facts.processors:
        because = f"this process may use {facts.workers} of {count(facts.processors, 'processor')}"
        found.append(Advice("widen its CPU affinity or quota, where it should have them all", because))
    if facts.lock_refused:
        because = f"locking was refused for {size(facts.lock_refused)} of keys, which could be swapped out"
        found.append(Advice(RAISE_MEMLOCK, because))
    elif facts.lock_limit is not None and facts.lock_limit < ENOUGH_LOCKED:
        because = f"only {size(facts.lock_limit)} of memory can be locked, which many keys at once exceed"
        found.append(Advice(RAISE_MEMLOCK, because))
    return found


def doubts(rows: Iterable[Row], facts: Facts, meanwhile: Meanwhile) -> list[str]:
    """Say why these figures should not be quoted."""
    found = []
    noisy = sum(row.bound.cause == "noise" for row in rows)
    if facts.profile != "release":
        found.append("the extension is not a release build")
    if facts.load > HALF * facts.workers:
        found.append(f"the machine was busy before (load {facts.load:.1f}, {count(facts.workers, 'worker')})")
    if meanwhile.stolen > NOTICEABLE:
        found.append(f"the host gave {meanwhile.stolen:.0%} of the processors' time to others")
    if meanwhile.throttled > NOTICEABLE:
        found.append(f"a CPU quota stopped this process for {meanwhile.throttled:.0%} of the time")
    if noisy:
        found.append(f"the rounds of {count(noisy, 'row')} disagree")
    return found


def gigabytes(per_second: float) -> str:
    """`19.8 GB/s`; below 1 GB/s in MB/s."""
    return f"{per_second / 1e9:.1f} GB/s" if per_second >= 1e9 else f"{per_second / 1e6:.0f} MB/s"


def times(factor: float) -> str:
    """`1.9 times`."""
    return f"{factor:.1f} times"


def duration_of(seconds: float) -> str:
    """`3.4 µs`; a millisecond and more as everywhere else."""
    return duration(seconds) if seconds >= 1e-3 else f"{seconds * 1e6:.1f} µs"


# quartiles that are further apart, as a share of the median, decide nothing
NOISY = 0.3
# of its limit, a row that reaches so much is bound by it
REACHED = 0.85
# a cause is named if the measure without it is so many times as fast
SLOWER_BY = 1.25
# above its limit, which adds up what is done one after the other
OVERLAPS = 1.05
# of a linear speed-up
SCALES = 0.8
HALF = 0.5
# of the time
NOTICEABLE = 0.02

HUGE_PAGES_ON = "let large results have huge pages: echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"
USE_VAES = "where more is needed, move to a processor with VAES (or pass it through to this virtual machine)"
USE_AES = "pass the host's processor model through to this virtual machine, or move to one with AES instructions"
