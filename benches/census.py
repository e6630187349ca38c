"""A census of many small files against what it costs to look at them: `python -m benches.census [--files N] [--dir DIR]`.

The floor opens, reads and closes each file, and does nothing else, on as many threads, in turns with the census. Both read
from a warm cache. A census must do 100,000 files a second, or the floor, whichever is lower.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from strongroom import crypto
from strongroom.keys import CLASS_KEY, NAMESPACE

from benches.trees import make_room

AIM = 100_000
SIZES = (100, 1000, 4000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.census", description=__doc__)
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--dir", type=Path, default=None)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    subprocess.run(["cargo", "build", "-q", "--release", "-p", "strongroom-bench", "--bin", "floor"], check=True)
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-census-") as folder:
        report = measured(Path(folder), options.files, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))
    sys.exit(not report["held"])


def measured(folder: Path, files: int, rounds: int) -> dict[str, object]:
    """Files a second of both, in turns."""
    workers = crypto.Control().workers
    made = make_messages(folder, files)
    ours, floors = [], []
    for round_ in range(rounds + 1):
        ours.append(files / seconds_of_census(made, files))
        floors.append(files / seconds_of_floor(made, workers))
        if round_ == 0:  # the first round warms the cache
            ours.clear()
            floors.clear()
    rate, floor = statistics.median(ours), statistics.median(floors)
    aim = min(AIM, floor)
    print(f"{files:,} files, {workers} threads, medians of {rounds} rounds in turns")
    print(f"census {rate:,.0f} files/s ({min(ours):,.0f} to {max(ours):,.0f})")
    print(f"open + read + close {floor:,.0f} files/s ({min(floors):,.0f} to {max(floors):,.0f})")
    print(f"aim {aim:,.0f} files/s: {'held' if rate >= aim else 'missed'}")
    return {"files": files, "workers": workers, "census": rate, "floor": floor, "held": rate >= aim}


def make_messages(folder: Path, files: int) -> Path:
    """Small messages under the keys of a room, 100 in a directory."""
    messages = folder / "messages"
    with make_room(folder) as room:
        contents = [room.encrypt(bytes(size)) for size in SIZES]
    for index in range(files):
        within = messages / f"{index // 100:05}"
        if index % 100 == 0:
            within.mkdir(parents=True)
        (within / f"{index:07}.sr").write_bytes(contents[index % len(contents)])
    return messages


def seconds_of_census(folder: Path, files: int) -> float:
    """One census, which must find them all."""
    start = time.perf_counter()
    counted = crypto.census(folder, namespace=NAMESPACE, class_key=CLASS_KEY)
    seconds = time.perf_counter() - start
    if counted.messages != files or counted.unread:
        raise RuntimeError(f"{counted.messages} of {files} messages were counted")
    return seconds


def seconds_of_floor(folder: Path, workers: int) -> float:
    """One look at every file by a program that does nothing with them."""
    command = ["target/release/floor", str(folder), str(workers)]
    _, seconds = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    return float(seconds)


if __name__ == "__main__":
    main()
