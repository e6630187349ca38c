"""Files, beside the same reads and writes without a cipher."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.cli.benchmark.bounds import FileEvidence, of_file
from strongroom.cli.benchmark.buffers import FRAME_LENGTH, SIDES, bare_cipher
from strongroom.cli.benchmark.figures import Reference, Row, Times, median, ratio, total, whole
from strongroom.cli.benchmark.rounds import Measure, interleaved, timed
from strongroom.cli.words import count

if TYPE_CHECKING:
    from strongroom.cli.benchmark.facts import Facts
    from strongroom.cli.benchmark.place import Place

MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Files:
    """The files that are worked on, all in a directory of our own, and the materials of their messages."""

    folder: Path
    length: int
    workers: int
    writing: crypto.EncryptionMaterials
    reading: Callable[[crypto.Header], crypto.DecryptionMaterials]

    @property
    def source(self) -> Path:
        """What is encrypted."""
        return self.folder / "source"

    @property
    def message(self) -> Path:
        """What is decrypted."""
        return self.folder / "message"

    @property
    def target(self) -> Path:
        """What is written, and removed before the next clock starts."""
        return self.folder / "target"

    def remove_target(self) -> None:
        """Remove what was written."""
        self.target.unlink(missing_ok=True)


def prepare(folder: Path, length: int, workers: int) -> Files:
    """Write the sources, and a message to read."""
    data_key = crypto.DataKey.generate()
    edk = crypto.AesWrappingKey.generate().wrap(data_key, "bench", "throwaway", {})
    writing = crypto.EncryptionMaterials(SUITE, data_key, [edk], {}, frame_length=FRAME_LENGTH)
    files = Files(folder, length, workers, writing, lambda header: crypto.DecryptionMaterials(header, data_key))
    write(files.source, length)
    crypto.encrypt_file(writing, files.source, files.message)
    return files


def write(path: Path, length: int) -> None:
    """Write a file of invented bytes, to the disk."""
    block = bytes(range(256)) * (min(length, MIB) // 256)
    with path.open("wb") as file:
        for _ in range(length // len(block)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


def durable_rate(folder: Path) -> float:
    """Estimate how many bytes a second the place takes, to the disk; by one small file."""
    probe = folder / "probe"
    start = time.perf_counter()
    write(probe, PROBE)
    seconds = time.perf_counter() - start
    probe.unlink()
    return PROBE / seconds


def measure(files: Files, seconds: float, show: Callable[[], None]) -> Times:
    """Measure for about so many seconds.

    Keys: `<side>`, `cipher <side>`, `copy` (the same reads and writes without a cipher) and, of that, `moving`: what
    is left of it without that which makes a file durable.
    """
    moving: list[float] = []

    def copy() -> None:
        moving.append(crypto.bench_copy(files.source, files.target, files.workers))

    def encrypt() -> None:
        crypto.encrypt_file(files.writing, files.source, files.target, control=control)

    def decrypt() -> None:
        opened = crypto.MessageFile.open(files.message)
        opened.decrypt(files.reading(opened.header), files.target, control=control)

    control = crypto.Control(files.workers)
    measures: dict[str, Measure] = {
        "copy": timed(copy, before=files.remove_target),
        "encrypt": timed(encrypt, before=files.remove_target),
        "decrypt": timed(decrypt, before=files.remove_target),
        **{f"cipher {side}": cipher_alone(files, side) for side in SIDES},
    }
    times = interleaved(measures, seconds, show)
    files.remove_target()
    # the first was the warm-up
    return {**times, "moving": tuple(moving[1:])}


def cipher_alone(files: Files, side: str) -> Measure:
    """Make a measure of the bare cipher for as many bytes; of a part of them, since they need not be in memory."""
    part = min(files.length, CIPHER_PART)
    cipher = bare_cipher(part, files.workers, side, repeat=1)
    return lambda: cipher() * files.length / part


def rows(files: Files, place: Place, times: Times, facts: Facts) -> list[Row]:
    """Make the rows, and say what bounds them. The limit: those reads and writes, and the bare cipher."""
    found = []
    for side in SIDES:
        limit = total(times, "copy", f"cipher {side}")
        evidence = FileEvidence(
            ratio=ratio(limit, times[side]),
            length=files.length,
            workers=files.workers,
            cipher=median(times[f"cipher {side}"]),
            moving=median(times["moving"]),
            durable=max(median(times["copy"]) - median(times["moving"]), 0.0),
            filesystem=place.filesystem,
            in_memory=place.in_memory,
        )
        name = f"{side}, {count(files.workers, 'worker')}"
        seconds = tuple(times[side])
        found.append(
            Row(group(files), name, "bytes", files.length, files.workers, seconds, limit, of_file(evidence, facts))
        )
    return found


def references(files: Files, times: Times) -> list[Reference]:
    """Make what the rows are read by."""
    named = [("the same without a cipher", "copy"), ("the same, not made durable", "moving")]
    named += [(f"bare cipher, {side}", f"cipher {side}") for side in SIDES]
    return [
        Reference(group(files), name, "bytes", files.length, files.workers, tuple(times[key])) for name, key in named
    ]


def group(files: Files) -> str:
    """Name the group."""
    return f"files of {whole(files.length)}"


SUITE = 0x0478
PROBE = 8 * MIB
CIPHER_PART = 64 * MIB
