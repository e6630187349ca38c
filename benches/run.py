"""The first reading of the throughput: our paths against the bare cipher, in one run, interleaved.

Ratios are what counts: times differ from machine to machine and from minute to minute. Run it on a quiet machine:
`python benches/run.py [--json FILE] [--size BYTES]`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GIB = 1 << 30
ROUNDS = 7
WORKERS = crypto.Control().workers
KEYRING = RawAesKeyring("bench", "key", bytes(32))
POLICY = "require-encrypt-require-decrypt"

Row = tuple[str, str, "Callable[[], float]"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--size", type=int, default=GIB)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as folder:
        report = [*buffers(65536, 8 << 20), *buffers(65536, options.size), *buffers(4096, options.size)]
        report += files(Path(folder), options.size)
    print(f"{WORKERS} workers, medians of {ROUNDS} interleaved rounds")
    print(f"{'path':44} {'GB/s':>7} {'of limit':>9}  spread")
    for row in report:
        print(
            f"{row['path']:44} {row['gb_per_second']:7.2f} {row['ratio']:9.2f}  {row['low']:.2f} to {row['high']:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


def buffers(frame_length: int, size: int) -> Iterator[dict[str, object]]:
    """Buffers of the caller, and fresh results."""
    materials = encryption_materials(KEYRING, frame_length=frame_length)
    plaintext = bytearray(os.urandom(1 << 20) * (size >> 20))
    message = bytearray(crypto.encrypted_size(materials, size))
    crypto.encrypt_into(materials, plaintext, message)
    sealed = bytes(message)
    header = crypto.Header.parse(sealed)
    opening = decryption_materials(header, KEYRING, context=None, commitment_policy=POLICY)
    back = bytearray(size)
    name = f"{size >> 20} MiB, {frame_length >> 10} KiB frames"

    def limit(*, decrypt: bool) -> float:
        return crypto.bench_limit(frame_length, size, WORKERS, decrypt=decrypt)

    yield from compare(
        size,
        [
            ("limit, encrypt", "encrypt", lambda: limit(decrypt=False)),
            ("limit, decrypt", "decrypt", lambda: limit(decrypt=True)),
            (f"encrypt_into, {name}", "encrypt", timed(lambda: crypto.encrypt_into(materials, plaintext, message))),
            (f"decrypt_into, {name}", "decrypt", timed(lambda: crypto.decrypt_into(header, opening, sealed, back))),
            (f"encrypt, {name}", "encrypt", timed(lambda: crypto.encrypt(materials, plaintext))),
            (f"memcpy, {name}", "encrypt", timed(lambda: copy(back, plaintext))),
        ],
    )


def files(folder: Path, size: int) -> Iterator[dict[str, object]]:
    """Files from tmpfs to tmpfs; the floor is the same reads and writes without a cipher, on as many threads."""
    source, message, other, target = (folder / name for name in ("source", "message", "other", "target"))
    block = os.urandom(1 << 20)
    with source.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)
    materials = encryption_materials(KEYRING)
    crypto.encrypt_file(materials, source, message)
    opened = crypto.MessageFile.open(message)
    opening = decryption_materials(opened.header, KEYRING, context=None, commitment_policy=POLICY)
    name = f"{size >> 20} MiB, tmpfs"

    def encrypt() -> None:
        other.unlink(missing_ok=True)
        crypto.encrypt_file(materials, source, other)

    def decrypt() -> None:
        target.unlink(missing_ok=True)
        opened.decrypt(opening, target)

    yield from compare(
        size,
        [
            ("limit, encrypt", "encrypt", lambda: crypto.bench_limit(65536, size, WORKERS)),
            ("limit, decrypt", "decrypt", lambda: crypto.bench_limit(65536, size, WORKERS, decrypt=True)),
            (f"encrypt_file, {name}", "encrypt", timed(encrypt)),
            (f"decrypt_file, {name}", "decrypt", timed(decrypt)),
            (f"verify, {name}", "decrypt", timed(lambda: opened.verify(opening))),
            (f"floor without cipher, {name}", "encrypt", lambda: floor(source, target)),
        ],
    )


def floor(source: Path, target: Path) -> float:
    """Seconds of the same reads and writes with no cipher between."""
    target.unlink(missing_ok=True)
    return crypto.bench_copy(source, target, WORKERS)


def copy(target: bytearray, source: bytearray) -> None:
    """One memcpy."""
    memoryview(target)[:] = source


def timed(job: Callable[[], object]) -> Callable[[], float]:
    """The seconds a job takes."""

    def run() -> float:
        start = time.perf_counter()
        job()
        return time.perf_counter() - start

    return run


def compare(size: int, rows: list[Row]) -> Iterator[dict[str, object]]:
    """Runs all rows in turn, several times; each ratio is against the limit of the same round."""
    times: defaultdict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        for path, _, run in rows:
            times[path].append(run())
    for path, side, _ in rows:
        limits = times[f"limit, {side}"]
        ratios = sorted(limit / took for limit, took in zip(limits, times[path], strict=True))
        yield {
            "path": path,
            "bytes": size,
            "gb_per_second": size / statistics.median(times[path]) / 1e9,
            "ratio": statistics.median(ratios),
            "low": ratios[0],
            "high": ratios[-1],
        }


if __name__ == "__main__":
    main()
