"""How time and memory grow with size: `python -m benches.scale [--folder DIR] [--largest-file GiB] [--largest GiB]`.

Sources are sparse, so that size is bound by no disk. Two ways of writing: whole files in a folder, up to the size that it is
given space for, beside the same reads and writes without a cipher; and a stream into /dev/null, beyond that. Every size has
a process of its own; times are medians, told per GiB beyond the cost of starting, which a tiny job shows.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from strongroom import crypto
from strongroom.materials import encryption_materials

from benches.groups import ours
from benches.groups.ours import KEYRING

MIB, GIB = 1 << 20, 1 << 30
SIZES = (MIB, 16 * MIB, 128 * MIB, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB, 64 * GIB)
WORKERS = crypto.Control().workers
ENOUGH = 0.5
"""Seconds of work after which a size has been measured, and one turn at least."""
WAYS = ("copy", "encrypt_file", "decrypt_file", "verify", "encrypt_stream")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.scale", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("/dev/shm"))
    parser.add_argument("--largest-file", type=float, default=1.0, help="GiB that the folder has space for, twice")
    parser.add_argument("--largest", type=float, default=64.0, help="GiB of the longest stream")
    parser.add_argument("--child", nargs=3, metavar=("WAY", "SIZE", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        way, size, folder = options.child
        print(json.dumps(child(way, int(size), Path(folder))))
        return
    print("| path | size | s | s per GiB | of 1 GiB | peak memory |\n|---|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        for way in WAYS:
            largest = options.largest if way == "encrypt_stream" else options.largest_file
            series(way, [size for size in SIZES if size <= largest * GIB], folder)


def series(way: str, sizes: list[int], folder: str) -> None:
    """One way of working at each size."""
    start = run(way, 1, folder)["seconds"]
    measured = {size: run(way, size, folder) for size in sizes}
    rates = {size: (facts["seconds"] - start) / (size / GIB) for size, facts in measured.items()}
    usual = rates.get(GIB, rates[sizes[-1]])
    for size, facts in measured.items():
        print(
            f"| {way} | {size // MIB} MiB | {facts['seconds']:.4f} | {rates[size]:.3f} | {rates[size] / usual:.2f} "
            f"| {facts['peak'] / MIB:.0f} MiB |",
            flush=True,
        )


def run(way: str, size: int, folder: str) -> dict[str, float]:
    """Seconds and peak memory of one size, in a process of its own."""
    command = [sys.executable, "-m", "benches.scale", "--child", way, str(size), folder]
    facts: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return facts


def child(way: str, size: int, folder: Path) -> dict[str, float]:
    """The median of some turns."""
    materials = encryption_materials(KEYRING)
    source, message, target = (folder / name for name in ("source", "message", "target"))
    with source.open("wb") as file:
        file.truncate(size)
    if way in ("decrypt_file", "verify"):
        crypto.encrypt_file(materials, source, message, force=True)
        source.unlink()
    times: list[float] = []
    while sum(times) < ENOUGH and len(times) < 1000:
        start = time.perf_counter()
        turn(way, materials, source, message, target)
        times.append(time.perf_counter() - start)
        target.unlink(missing_ok=True)
    message.unlink(missing_ok=True)
    source.unlink(missing_ok=True)
    return {"seconds": statistics.median(times), "peak": peak()}


def turn(way: str, materials: crypto.EncryptionMaterials, source: Path, message: Path, target: Path) -> None:
    """One job."""
    if way == "copy":
        crypto.bench_copy(source, target, WORKERS)
    elif way == "encrypt_file":
        crypto.encrypt_file(materials, source, target)
    elif way == "encrypt_stream":
        with source.open("rb") as reader, open(os.devnull, "wb") as writer:
            crypto.encrypt_stream(materials, reader.fileno(), writer.fileno())
    else:
        opened = crypto.MessageFile.open(message)
        opening = ours.opening(opened.header)
        if way == "verify":
            opened.verify(opening)
        else:
            opened.decrypt(opening, target)


def peak() -> int:
    """Bytes; not ru_maxrss, which remembers the parent's size at the fork."""
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


if __name__ == "__main__":
    main()
