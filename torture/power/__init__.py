"""Power loss at many instants: nothing that was acknowledged is lost, and nothing is torn.

A workload encrypts and decrypts files and trees, rotates keys and makes rooms on a disk, and says what is done. Meanwhile
the disk is cloned, over and over (`images.py` says how). Each clone is mounted and must hold, whole, every output that was
acknowledged before it. The control is the same workload with every fsync left out, which must lose some.
"""

from __future__ import annotations

import argparse
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import strongroom

from torture.power.images import KINDS, Disk, new_disk, why_not
from torture.power.judge import Instant, Judge
from torture.power.memory import Memory
from torture.power.workload import KEY, ROOM, STATE
from torture.report import Report

PROMISE = "what was acknowledged before the power failed is there, whole"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the defaults take half a minute, 500 images some minutes."""
    parser.add_argument(
        "--images", type=int, default=40, metavar="N", help="of each file system (default: %(default)s)"
    )
    parser.add_argument(
        "--control", type=int, default=20, metavar="N", help="images without fsync (default: %(default)s)"
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS), help="file systems (default: all)")
    parser.add_argument("--seed", type=int, default=None, help="of what is done, and when (default: a new one)")
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="in memory (default: %(default)s)")


def run(options: argparse.Namespace) -> Report:
    """Let the power fail as often as asked for."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("power", PROMISE, notes=[f"--seed {seed}"])
    reason = why_not()
    if reason is not None:
        report.notes.append(f"not run: {reason}")
        return report
    for kind in options.kinds:
        for done in range(0, options.images, BATCH):
            lose(options.dir, kind, min(BATCH, options.images - done), f"{seed} {kind} {done}", report)
            print(f"{kind}: {min(done + BATCH, options.images)} images", file=sys.stderr, flush=True)
        scratch = Report("control", PROMISE)
        lose(options.dir, kind, options.control, f"{seed} {kind}", scratch, without_sync=True)
        lost = [line for line in scratch.found if " lost" in line]
        report.controls[f"{kind} without fsync loses what was acknowledged"] = bool(lost)
        report.notes.append(
            f"{kind} without fsync: {len(scratch.found)} complaints, {len(lost)} of acknowledged outputs lost"
        )
    return report


def lose(parent: Path, kind: str, images: int, seed: str, report: Report, *, without_sync: bool = False) -> None:
    """One disk, one workload, and so many clones, which are judged when it has ended."""
    memory, dice = Memory(), random.Random(seed)
    before = os.environ.get("STRONGROOM_STATE")
    with tempfile.TemporaryDirectory(dir=parent, prefix="torture-") as folder, new_disk(Path(folder), kind) as disk:
        furnish(disk)
        with working(disk, Path(folder), seed, memory, without_sync=without_sync):
            clones = [cloned(disk, number, dice) for number in range(images)]
        judge = Judge(memory)
        for clone, instant in clones:
            with disk.after_power_loss(clone) as after:
                report.count(f"images of {kind}")
                report.found.extend(f"{kind}, {clone.name}: {complaint}" for complaint in judge.judge(after, instant))
        report.count(f"acknowledged outputs looked at on {kind}", judge.acknowledged)
    os.environ.pop("STRONGROOM_STATE")
    if before is not None:
        os.environ["STRONGROOM_STATE"] = before


def furnish(disk: Disk) -> None:
    """A room on the disk, and folders for its outputs, all of it durable."""
    os.environ["STRONGROOM_STATE"] = str(disk.inner / STATE)
    for name in ("files", "plain", "rooms", STATE):
        (disk.inner / name).mkdir(mode=0o700)
    strongroom.init(disk.inner / ROOM, make_key_file=disk.inner / KEY)
    os.sync()


def cloned(disk: Disk, number: int, dice: random.Random) -> tuple[Path, Instant]:
    """A clone after a while."""
    time.sleep(dice.uniform(0, 2 * INTERVAL))
    before = time.monotonic()
    clone = disk.clone(number)
    return clone, Instant(before, time.monotonic())


@contextmanager
def working(disk: Disk, folder: Path, seed: str, memory: Memory, *, without_sync: bool) -> Iterator[None]:
    """A workload in a process of its own, killed at the end. What it says goes into `memory`."""
    command = [sys.executable, "-c", WORKLOAD, str(disk.inner), str(folder / "sources"), seed]
    (folder / "sources").mkdir()
    process = subprocess.Popen(
        [*(WITHOUT_SYNC if without_sync else ()), *command],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    assert process.stdout is not None
    lines = process.stdout
    memory.hear(lines.readline())
    hearing = threading.Thread(target=memory.hear_all, args=(lines,))
    hearing.start()
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError(f"the workload ended by itself: {process.returncode}")
    finally:
        # strace and what it traces: alone it would be outlived
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        hearing.join()
        lines.close()


WORKLOAD = "from torture.power.workload import main; main()"
ROOT = Path(__file__).parent.parent.parent
BATCH = 100
INTERVAL = 0.05
SYNCS = "fsync,fdatasync,syncfs,sync_file_range"
WITHOUT_SYNC = ("strace", "-f", "-qq", "--seccomp-bpf", "-o", os.devnull, "-e", f"inject={SYNCS}:retval=0", "-e", f"trace={SYNCS}")  # fmt: skip
