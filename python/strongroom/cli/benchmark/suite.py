"""The whole run: what fits, every group in turn, and one result."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.cli.benchmark import bounds, buffers, files, messages, place, small
from strongroom.cli.benchmark.buffers import Known
from strongroom.cli.benchmark.facts import Facts, Meanwhile, gather, watched
from strongroom.cli.benchmark.figures import Reference, Row, Times, power_of_two, whole
from strongroom.cli.benchmark.files import Files
from strongroom.cli.benchmark.place import Place
from strongroom.cli.benchmark.rounds import Show

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What was asked for; None: what suits the machine."""

    directory: str | None = None
    length: int | None = None
    workers: int | None = None
    quick: bool = False

    @property
    def seconds(self) -> dict[str, float]:
        """About how long each group may take."""
        return QUICK if self.quick else THOROUGH


@dataclass(slots=True)
class Result:
    """What was measured, where, and what it means. `notes` say what was done otherwise than asked, and why."""

    facts: Facts
    place: Place
    meanwhile: Meanwhile
    workers: tuple[int, ...]
    rows: list[Row] = field(default_factory=list)
    references: list[Reference] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def advice(self) -> list[bounds.Advice]:
        """Say what to change."""
        return bounds.advice(self.rows, self.facts, self.meanwhile)

    def doubts(self) -> list[str]:
        """Say why these figures should not be quoted."""
        return bounds.doubts(self.rows, self.facts, self.meanwhile)


def run(wanted: Wanted, show: Show) -> Result:
    """Measure everything. Raises OSError where the directory cannot be written to; leaves nothing in it, ever."""
    start, facts = time.monotonic(), gather()
    most = wanted.workers or facts.workers
    with place.scratch(wanted.directory) as (folder, where), watched() as meanwhile:
        result = Result(facts, where, meanwhile, (1, most) if most > 1 else (1,))
        small_messages = messages.measure(result.workers, wanted.seconds["messages"], telling(show, messages.GROUP))
        measure_buffers(result, wanted, messages.cores(result.workers, small_messages), show)
        result.rows += messages.rows(result.workers, small_messages, facts)
        measure_files(result, wanted, folder, show)
    result.seconds = time.monotonic() - start
    return result


def measure_buffers(result: Result, wanted: Wanted, cores: float, show: Show) -> None:
    """Measure buffers that fit in the cache, and then larger ones."""
    tell = telling(show, buffers.group(buffers.CACHED))
    cached = buffers.measure(buffers.CACHED, result.workers, wanted.seconds["cached"], tell)
    add_buffers(result, buffers.CACHED, cached, Known(result.facts, cores))
    length = buffer_length(result, wanted)
    if length > buffers.CACHED:
        tell = telling(show, buffers.group(length))
        times = buffers.measure(length, result.workers, wanted.seconds["memory"], tell)
        add_buffers(result, length, times, Known(result.facts, cores, cached))


def add_buffers(result: Result, length: int, times: Times, known: Known) -> None:
    """Add the rows of buffers of one length."""
    result.rows += buffers.rows(length, result.workers, times, known)
    result.references += buffers.references(length, result.workers, times)


def buffer_length(result: Result, wanted: Wanted) -> int:
    """Choose the length of large buffers: as asked for, or more than caches hold; as far as memory and time allow."""
    length, memory = wanted.length or default_length(wanted, result.facts), result.facts.memory_available
    fits = power_of_two(memory // MEMORY_COPIES)
    length = at_most(fits, length, result, "buffers", f"{whole(memory)} of memory is available")
    if wanted.length is not None:
        return length
    return at_most(in_time(result, wanted.seconds["memory"]), length, result, "buffers", TAKES_TOO_LONG)


def at_most(most: int, length: int, result: Result, what: str, why: str) -> int:
    """Take less, and say so, where there is not enough."""
    if length <= most:
        return length
    result.notes.append(f"{what} of {whole(most)} rather than {whole(length)}: {why}")
    return most


def default_length(wanted: Wanted, facts: Facts) -> int:
    """Source and result together must not fit in the cache; in little time, they are at least far from it."""
    if wanted.quick:
        return QUICK_LENGTH
    return min(max(LENGTH, 2 * power_of_two(facts.cache)), LARGEST)


def in_time(result: Result, seconds: float) -> int:
    """Find how long buffers may be so that enough rounds fit, by a round of short ones."""
    measures = buffers.measures(PROBE, result.workers)
    start = time.perf_counter()
    for measure in measures.values():
        measure()
    taken = time.perf_counter() - start
    repeated = max(1, buffers.SAMPLE // PROBE)
    return max(power_of_two(int(PROBE * seconds / ROUNDS / taken * repeated)), 2 * buffers.CACHED)


def measure_files(result: Result, wanted: Wanted, folder: Path, show: Show) -> None:
    """Measure files and what is small, as far as there is space for them."""
    space = place.usable(result.place, result.facts.memory_available)
    if place.largest_file(space) < MIB:
        result.notes.append(f"files were not measured: only {whole(space)} may be written in {result.place.directory}")
        return
    try:
        worked_on = files.prepare(folder, file_length(result, wanted, folder, space), result.workers[-1])
        measure_in(result, wanted, worked_on, show)
    except OSError as error:
        if error.errno not in NO_SPACE:
            raise
        result.notes.append(f"files were not measured to the end: {result.place.directory}: {error.strerror}")


def measure_in(result: Result, wanted: Wanted, worked_on: Files, show: Show) -> None:
    """Measure in the directory, whose files have been prepared."""
    times = files.measure(worked_on, wanted.seconds["files"], telling(show, files.group(worked_on)))
    result.rows += files.rows(worked_on, result.place, times, result.facts)
    result.references += files.references(worked_on, times)
    times = small.measure(worked_on, wanted.seconds["small"], telling(show, small.GROUP))
    result.rows += small.rows(result.place, times)


def file_length(result: Result, wanted: Wanted, folder: Path, space: int) -> int:
    """Choose the length of files: as asked for, as far as there is space, and else also as far as time allows."""
    length, fits = wanted.length or (QUICK_LENGTH if wanted.quick else LENGTH), power_of_two(place.largest_file(space))
    why = f"{whole(space)} may be written in {result.place.directory}"
    length = at_most(fits, length, result, "files", why)
    if wanted.length is not None or length <= files.PROBE:
        return length
    # what is prepared, and three results a round
    passes = 2 + 3 * ROUNDS
    in_time = power_of_two(int(files.durable_rate(folder) * wanted.seconds["files"] / passes))
    return at_most(max(in_time, files.PROBE), length, result, "files", TAKES_TOO_LONG)


def telling(show: Show, name: str) -> Callable[[], None]:
    """Say what is being measured, whenever asked."""
    return lambda: show(name)


# seconds for each group; with what is prepared they stay below a minute, and ten seconds
THOROUGH = {"cached": 8.0, "memory": 17.0, "messages": 7.0, "files": 14.0, "small": 4.0}
QUICK = {"cached": 1.0, "memory": 2.0, "messages": 1.5, "files": 2.0, "small": 1.0}

LENGTH, QUICK_LENGTH, LARGEST = 256 * MIB, 128 * MIB, 1024 * MIB
# short buffers whose round says how long the rounds of long ones will be
PROBE = 16 * MIB
# a warm-up and the fewest rounds, and one to spare
ROUNDS = 5
# source, message, result and the limit's own
MEMORY_COPIES = 12
TAKES_TOO_LONG = "more would take too long here; --size insists"
NO_SPACE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
