"""Trees against `cp -r SRC DST; sync`: durable both ways, interleaved, in one run.

    python benches/trees.py [--files 20000] [--dir DIR] [--rounds 5] [--json FILE]
    python benches/trees.py --scale      time per file from 20,000 to 200,000 files must be flat
    python benches/trees.py --huge       20,000 small files beside one of 4 GiB (--bytes), which must use all cores

Only ratios within a run count: the disk and its cache are shared with everything else on the machine. DIR must be on
the file system that is meant, ext4 with a journal or XFS: a tmpfs has nothing to make durable, and an ext4 without a
journal is slow to make files for a minute after others were removed, which hurts `cp` more than us. On XFS, `cp` shares blocks
and copies nothing, unless the file system was made with `-m reflink=0`; the row of `--reflink=never` is a copy anywhere.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import strongroom
from strongroom import crypto
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Row = tuple[str, Callable[[], float]]

FILES_A_DIRECTORY = 100
SMALLEST, LARGEST = 1 << 10, 16 << 10
HUGE = 4 << 30
SCALE = (20_000, 50_000, 100_000, 200_000)
BASE = "cp -r; sync"
POLICY = "require-encrypt-require-decrypt"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--dir", type=Path, default=Path.cwd())
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scale", action="store_true")
    parser.add_argument("--huge", action="store_true")
    parser.add_argument("--bytes", type=int, default=HUGE, help="of the huge file")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-trees-") as folder:
        if options.huge:
            report = huge(Path(folder), options.files, options.bytes)
        elif options.scale:
            report = [row for files in SCALE for row in measured(Path(folder), files, options.rounds)]
        else:
            report = list(measured(Path(folder), options.files, options.rounds))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


def rows(folder: Path, files: int) -> list[Row]:
    """Named samples over one source of so many files in `folder`, each seconds of one durable run.

    The first is `cp -r; sync`, which the others are compared with.
    """
    source, target = folder / f"source-{files}", folder / "target"
    make_source(source, files)
    raw, room = RawKeys(), make_room(folder)
    by_raw, by_room = folder / f"raw-{files}", folder / f"room-{files}"
    crypto.encrypt_tree(source, by_raw, raw)
    room.encrypt_tree(source, by_room)
    os.sync()
    return [
        (BASE, lambda: timed(target, lambda: copy(source, target))),
        ("encrypt, raw keyring", lambda: timed(target, lambda: crypto.encrypt_tree(source, target, raw))),
        ("encrypt, room", lambda: timed(target, lambda: room.encrypt_tree(source, target))),
        ("decrypt, raw keyring", lambda: timed(target, lambda: crypto.decrypt_tree(by_raw, target, raw))),
        ("decrypt, room", lambda: timed(target, lambda: room.decrypt_tree(by_room, target))),
        (f"{BASE}, no reflink", lambda: timed(target, lambda: copy(source, target, "--reflink=never"))),
        (f"{BASE}, of the encrypted", lambda: timed(target, lambda: copy(by_raw, target))),
    ]


def measured(folder: Path, files: int, rounds: int) -> Iterator[dict[str, Any]]:
    """Rows with medians, and ratios to the `cp` of the same round."""
    samples: dict[str, list[float]] = defaultdict(list)
    named = rows(folder, files)
    for round_ in range(rounds + 1):
        for name, sample in named:
            seconds = sample()
            if round_:  # the first round warms the page cache
                samples[name].append(seconds)
    print(f"{files} files, medians of {rounds} interleaved rounds")
    print(f"{'':28} {'seconds':>8} {'µs/file':>8} {'of cp+sync':>11}  spread")
    for name, times in samples.items():
        ratios = [mine / base for mine, base in zip(times, samples[BASE], strict=True)]
        row: dict[str, Any] = {
            "path": name,
            "files": files,
            "seconds": statistics.median(times),
            "ratio": statistics.median(ratios),
            "low": min(ratios),
            "high": max(ratios),
        }
        print(
            f"{name:28} {row['seconds']:8.3f} {row['seconds'] / files * 1e6:8.1f} {row['ratio']:11.2f}"
            f"  {row['low']:.2f} to {row['high']:.2f}"
        )
        yield row
    for name in (f"source-{files}", f"raw-{files}", f"room-{files}", "target"):
        shutil.rmtree(folder / name, ignore_errors=True)


def huge(folder: Path, files: int, size: int) -> list[dict[str, object]]:
    """Cores in use while a tree of small files and one huge one is encrypted and decrypted, beside the huge one alone.

    On a disk this shows how long it takes to write; on a tmpfs of twice the size, whether all cores are used.
    """
    source, target, alone = folder / "source", folder / "target", folder / "alone"
    make_source(source, files)
    make_huge(source / "huge", size)
    raw = RawKeys()
    report = [cores("encrypt_file of the huge one", lambda: crypto.encrypt_file(raw.materials, source / "huge", alone))]
    alone.unlink()
    report.append(cores("encrypt_tree", lambda: crypto.encrypt_tree(source, target, raw)))
    shutil.rmtree(source)
    report.append(cores("decrypt_tree", lambda: crypto.decrypt_tree(target, source, raw)))
    report.append(cores("verify_tree", lambda: crypto.verify_tree(target, raw)))
    return report


def cores(name: str, job: Callable[[], object]) -> dict[str, object]:
    """How many cores a job kept busy over its whole time."""
    os.sync()
    before, start = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    job()
    seconds = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF)
    busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{name:30} {seconds:7.2f} s, {busy:7.2f} s of CPU: {busy / seconds:.2f} cores")
    return {"path": name, "seconds": seconds, "cpu_seconds": busy, "cores": busy / seconds}


class RawKeys:
    """One data key for all files of a tree, from a raw keyring."""

    def __init__(self) -> None:
        self.keyring = RawAesKeyring("bench", "key", bytes(32))
        self.materials = encryption_materials(self.keyring)

    def encryption(self, plaintext_bytes: int, messages: int) -> crypto.EncryptionMaterials:
        return self.materials

    def decryption(self, header: crypto.Header, message_bytes: int, messages: int) -> crypto.DecryptionMaterials:
        return decryption_materials(header, self.keyring, context=None, commitment_policy=POLICY)


def make_source(source: Path, files: int) -> None:
    """Files of 1 to 16 KiB, sizes the same every time."""
    sizes = random.Random(files)
    noise = random.Random(1).randbytes(1 << 20)
    for index in range(files):
        folder = source / f"{index // FILES_A_DIRECTORY:05}"
        if index % FILES_A_DIRECTORY == 0:
            folder.mkdir(parents=True)
        size = sizes.randint(SMALLEST, LARGEST)
        start = sizes.randrange(len(noise) - size)
        (folder / f"{index:07}").write_bytes(noise[start : start + size])


def make_huge(path: Path, size: int) -> None:
    block = os.urandom(1 << 20)
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(block)


def make_room(folder: Path) -> strongroom.Room:
    os.environ.setdefault("STRONGROOM_STATE", str(folder / "state"))
    home, key = folder / "home", folder / "key"
    if not home.exists():
        strongroom.init(home, make_key_file=key)
    return strongroom.open(home, key_file=key)


def copy(source: Path, target: Path, *options: str) -> None:
    subprocess.run(["cp", "-r", *options, source, target], check=True)
    subprocess.run(["sync"], check=True)


def timed(target: Path, job: Callable[[], object]) -> float:
    """Seconds of a job into an empty place, on a disk that has nothing else to write."""
    shutil.rmtree(target, ignore_errors=True)
    os.sync()
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
