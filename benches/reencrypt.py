"""Re-encryption of a tree of mixed files against `encrypt` of the same: `python -m benches.reencrypt [--gib 4] [--dir DIR]`.

Both are durable, and take turns. `encrypt` reads and writes, and so does re-encryption, which also decrypts, and reads
back what it has written. Each run has a process of its own, so that its peak of memory is its own. Speed must be 0.6 of that
of `encrypt`; the peak, that of a tree of a quarter of the size.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benches.trees import make_room

GIB, MIB = 1 << 30, 1 << 20
AIM, FLAT = 0.6, 1.15
# half of the bytes in large files, and most of the files small: sizes, and the share of the bytes that each has
MIXED = ((4 << 10, 0.01), (60 << 10, 0.09), (1 << 20, 0.2), (16 << 20, 0.3), (256 << 20, 0.4))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.reencrypt", description=__doc__)
    parser.add_argument("--gib", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--dir", type=Path, default=None)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=3, metavar=("WHAT", "FOLDER", "NAME"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        what, folder, name = options.child
        print(json.dumps(child(what, Path(folder), name)))
        return
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-reencrypt-") as folder:
        report = measured(Path(folder), options.gib, options.rounds)
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))
    sys.exit(not report["held"])


def measured(folder: Path, gib: float, rounds: int) -> dict[str, object]:
    """Speeds and peaks of both, in turns."""
    files = make_source(folder / "source", int(gib * GIB))
    make_source(folder / "quarter", int(gib * GIB / 4))
    make_room(folder).close()
    run("encrypt", folder, "quarter")
    small = run("reencrypt", folder, "quarter")["peak"]
    shutil.rmtree(folder / "quarter")
    shutil.rmtree(folder / "quarter.tree")
    turns: dict[str, list[dict[str, float]]] = {"encrypt": [], "reencrypt": []}
    for round_ in range(rounds + 1):
        for what, runs in turns.items():
            facts = run(what, folder, "source")
            if round_:  # the first round warms the cache
                runs.append(facts)
    ratios = [a["seconds"] / b["seconds"] for a, b in zip(turns["encrypt"], turns["reencrypt"], strict=True)]
    peak = max(facts["peak"] for facts in turns["reencrypt"])
    print(f"{gib} GiB in {files:,} files, medians of {rounds} rounds in turns")
    for what, runs in turns.items():
        seconds = statistics.median(facts["seconds"] for facts in runs)
        print(
            f"{what:10} {seconds:7.2f} s {gib / seconds:6.2f} GiB/s, {max(f['peak'] for f in runs) / MIB:.0f} MiB at most"
        )
    ratio = statistics.median(ratios)
    held = ratio >= AIM and peak <= small * FLAT
    print(f"speed {ratio:.2f} of encrypt ({min(ratios):.2f} to {max(ratios):.2f}), aim {AIM}")
    print(f"peak {peak / MIB:.0f} MiB, of a quarter of the tree {small / MIB:.0f} MiB")
    print("held" if held else "missed")
    return {"gib": gib, "files": files, "ratio": ratio, "peak": peak, "peak_of_quarter": small, "held": held}


def run(what: str, folder: Path, name: str) -> dict[str, float]:
    """One run in a process of its own, on a disk that has nothing else to write."""
    if what == "encrypt":
        shutil.rmtree(folder / f"{name}.tree", ignore_errors=True)
    os.sync()
    command = [sys.executable, "-m", "benches.reencrypt", "--child", what, str(folder), name]
    facts: dict[str, float] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return facts


def child(what: str, folder: Path, name: str) -> dict[str, float]:
    """Seconds of one job, and the most memory that this process had resident."""
    with make_room(folder) as room:
        if what == "reencrypt":
            room.keys.rotate(room.keys.list()[0].id)
        start = time.perf_counter()
        if what == "encrypt":
            room.encrypt_tree(folder / name, folder / f"{name}.tree")
        else:
            moved = room.reencrypt(folder / f"{name}.tree")
            if moved.moved != moved.files:
                raise RuntimeError(f"{moved.moved} of {moved.files} files were moved")
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "peak": peak()}


def peak() -> float:
    """VmHWM of this process, in bytes."""
    status = Path("/proc/self/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def make_source(source: Path, size: int) -> int:
    """A tree of so many bytes; gives how many files it has."""
    noise = random.Random(1).randbytes(MIB)
    number = 0
    for each, share in MIXED:
        for _ in range(max(1, int(size * share) // each)):
            path = source / f"{number // 100:04}" / f"{number:06}"
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                for at in range(0, each, MIB):
                    file.write(noise[: min(MIB, each - at)])
            number += 1
    return number


if __name__ == "__main__":
    main()
