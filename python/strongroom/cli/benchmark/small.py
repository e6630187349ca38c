"""What costs the same however little it moves: small files that must survive a crash, and reads of 4 KiB."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.cli.benchmark.bounds import DurableEvidence, RangedEvidence, of_durable, of_ranged
from strongroom.cli.benchmark.buffers import FRAME_LENGTH, bare_cipher
from strongroom.cli.benchmark.figures import Row, Times, median, ratio, total, whole
from strongroom.cli.benchmark.files import write
from strongroom.cli.benchmark.rounds import Measure, interleaved, timed
from strongroom.files import directory_descriptor

if TYPE_CHECKING:
    from strongroom.cli.benchmark.files import Files
    from strongroom.cli.benchmark.place import Place

LENGTH = 4096


def measure(files: Files, seconds: float, show: Callable[[], None]) -> Times:
    """Measure for about so many seconds: the seconds of one file, of one read.

    Keys: `durable`, `durable, no cipher`, `fsync`; `read`, and what is the least of it: `fetch` and `open`.
    """
    return interleaved({**durable(files), **ranged(files)}, seconds, show)


def durable(files: Files) -> dict[str, Measure]:
    """Small files, written so that a crash leaves them whole: by us, and by the same steps without a cipher."""
    source = files.folder / "small"
    write(source, LENGTH)

    return {
        "durable": timed(
            lambda: crypto.encrypt_file(files.writing, source, files.target), repeat=FILES, before=files.remove_target
        ),
        "durable, no cipher": timed(
            lambda: crypto.bench_copy(source, files.target, 1), repeat=FILES, before=files.remove_target
        ),
        "fsync": lambda: sum(sync(files) for _ in range(FILES)) / FILES,
    }


def sync(files: Files) -> float:
    """Give the seconds of making a new file and its name durable, and of nothing else."""
    files.remove_target()
    with directory_descriptor(files.folder) as directory, files.target.open("wb") as file:
        file.write(bytes(LENGTH))
        file.flush()
        start = time.perf_counter()
        os.fsync(file.fileno())
        os.fsync(directory)
        return time.perf_counter() - start


def ranged(files: Files) -> dict[str, Measure]:
    """Reads of 4 KiB all over a message: ours, and one positioned read and one frame of the bare cipher."""
    opened = crypto.MessageFile.open(files.message)
    reader = crypto.RangedReader.open(files.message, opened.header, files.reading(opened.header))
    places = [at * SCATTER % (files.length // LENGTH) * LENGTH for at in range(READS)]
    out, frame = bytearray(LENGTH), bytearray(FRAME_LENGTH + FRAME_OVERHEAD)

    def read() -> None:
        for place in places:
            reader.read_into(place, out)

    def fetch() -> None:
        with files.message.open("rb", buffering=0) as file:
            for place in places:
                os.preadv(file.fileno(), [frame], place // FRAME_LENGTH * len(frame))

    reads, fetches = timed(read), timed(fetch)
    cipher = bare_cipher(FRAME_LENGTH * OPENED, 1, "decrypt", CIPHER_ROUNDS)
    return {
        "read": lambda: reads() / READS,
        "fetch": lambda: fetches() / READS,
        "open": lambda: cipher() / OPENED,
    }


def rows(place: Place, times: Times) -> list[Row]:
    """Make both rows, and say what bounds them."""
    fetch_and_open = total(times, "fetch", "open")
    reads = RangedEvidence(
        ratio=ratio(fetch_and_open, times["read"]),
        own=median(times["read"]),
        fetch=median(times["fetch"]),
        open=median(times["open"]),
    )
    writes = DurableEvidence(
        ratio=ratio(times["durable, no cipher"], times["durable"]),
        own=median(times["durable"]),
        floor=median(times["durable, no cipher"]),
        fsync=median(times["fsync"]),
        filesystem=place.filesystem,
    )
    return [
        Row(
            GROUP,
            f"read {whole(LENGTH)} anywhere in a file",
            "reads",
            1,
            1,
            tuple(times["read"]),
            fetch_and_open,
            of_ranged(reads),
        ),
        Row(
            GROUP,
            f"encrypt a file of {whole(LENGTH)}, durable",
            "files",
            1,
            1,
            tuple(times["durable"]),
            tuple(times["durable, no cipher"]),
            of_durable(writes),
        ),
    ]


GROUP = "one at a time"
FILES, READS = 4, 400

# frames whose opening is measured; more than caches hold would not be what a read meets
OPENED = 64
# a sequence number and a tag
FRAME_OVERHEAD = 4 + 12 + 16
CIPHER_ROUNDS = 4
SCATTER = 2_654_435_761
