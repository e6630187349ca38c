"""The same judges against what is known to be broken."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from torture.crash.killing import End, run
from torture.crash.moving import ReencryptTree
from torture.crash.recovery import Back, Restore, RotateRoot
from torture.crash.rooms import Init, Rotate
from torture.crash.trees import DecryptTree, EncryptTree
from torture.report import Report
from torture.traces import files

Tree = EncryptTree | DecryptTree


def control_tree(job: Tree, dice: random.Random, report: Report) -> None:
    """Plant in the outputs of a finished job what a broken one would leave there."""
    outputs = sorted(path for path in files(job.target) if ".strongroom" not in path.parts and path.stat().st_size)
    output = dice.choice(outputs)
    plants: dict[str, Callable[[], None]] = {
        "half an output under its name": lambda: halve(output),
        "a temporary file": lambda: put(output.with_name(".strongroom-0123456789abcdef.tmp"), b""),
        "plaintext among temporary files": lambda: put(job.place.temporary / "x", b"\0" + job.source.marker),
    }
    for name, plant in plants.items():
        with as_before(job.target, job.place.temporary):
            plant()
            report.controls[f"{job.name}: {name}"] = any(job.judge(DONE))
    with as_before(job.target):
        report.controls[f"{job.name}: a writer that gives the name first"] = is_caught(Careless(job), dice)


def control_moved(job: ReencryptTree, report: Report) -> None:
    """A message that was left where it was, and one that was moved without a word in the manifest."""
    with as_before(job.target):
        before = {path: path.read_bytes() for path in files(job.target)}
        job.prepare(1.0)
        run(job, PATIENCE)
        path = next(path for path in sorted(before) if path.suffix == ".sr" and ".strongroom" not in path.parts)
        put(path, before[path])
        report.controls[f"{job.name}: a message under the old version"] = any(job.judge(DONE))


def control_init(job: Init, report: Report) -> None:
    """A room of which a half is missing."""
    end = run(job, PATIENCE)
    halve(job.home / "keystore.db")
    report.controls["init: half a keystore"] = any(job.judge(end))


def control_rotate(job: Rotate, report: Report) -> None:
    """A room that was put back, anchor and all, to what it was before a rotation that was acknowledged."""
    with as_before(job.place.room, job.place.state):
        end = run(job, PATIENCE)
    report.controls["keys rotate: a version that was lost"] = any(job.judge(end))


def control_root(job: RotateRoot, report: Report) -> None:
    """A root that was put in the place of the old one before the keystore was wrapped by it."""
    with as_before(job.place.room, job.place.state):
        before = (job.place.room / "root.json").read_bytes()
        run(job, PATIENCE)
        put(job.place.room / "root.json", before)
        report.controls["root rotate: a root that the keystore is not wrapped by"] = any(job.judge(DONE))


def control_backup(job: Back, report: Report) -> None:
    """A backup of which a half is missing."""
    end = run(job, PATIENCE)
    halve(job.file)
    report.controls["backup create: half a backup"] = any(job.judge(end))


def control_restore(job: Restore, report: Report) -> None:
    """A restored room of which a half is missing."""
    end = run(job, PATIENCE)
    job.spoil()
    report.controls["backup restore: half a keystore"] = any(job.judge(end))


@dataclass
class Careless:
    """Writes the outputs of a job anew, each under its own name from the start."""

    job: Tree

    @property
    def name(self) -> str:
        """What it is called."""
        return f"{self.job.name} carelessly"

    def prepare(self, share: float) -> None:
        """Nothing: it does all of it over and over."""

    def start(self) -> subprocess.Popen[str]:
        """Begin writing. It is at work when this returns, however slow the machine is."""
        process = self.job.place.launch([sys.executable, "-c", CARELESS, str(self.job.target)])
        assert process.stdout is not None
        process.stdout.readline()
        return process

    def judge(self, end: End) -> Iterator[str]:
        """As the job is judged."""
        return self.job.judge(end)


def is_caught(careless: Careless, dice: random.Random) -> bool:
    """Whether one of some kills shows what is wrong with it."""
    return any(any(careless.judge(run(careless, dice.uniform(0.05, 0.2)))) for _ in range(TRIES))


@contextmanager
def as_before(*folders: Path) -> Iterator[None]:
    """Puts folders back at the end."""
    kept = [(folder, folder.with_name(folder.name + ".kept")) for folder in folders]
    for folder, copy in kept:
        shutil.copytree(folder, copy, symlinks=True)
    try:
        yield
    finally:
        for folder, copy in kept:
            shutil.rmtree(folder)
            copy.rename(folder)


def halve(path: Path) -> None:
    """Cut a file."""
    put(path, path.read_bytes()[: path.stat().st_size // 2])


def put(path: Path, content: bytes) -> None:
    """Write a file."""
    path.write_bytes(content)


DONE = End(killed=False, code=0, stdout="", stderr="")
PATIENCE = 120.0
TRIES = 20

CARELESS = """
import pathlib, sys, time
outputs = [p for p in pathlib.Path(sys.argv[1]).rglob("*") if p.is_file() and ".strongroom" not in p.parts]
print("at work", flush=True)
while True:
    for path in outputs:
        content = path.read_bytes()
        with path.open("wb") as file:
            file.write(content[: len(content) // 2])
            file.flush()
            time.sleep(0.0005)
            file.write(content[len(content) // 2 :])
"""
