"""A server that goes away under a command: stopped, paused, killed, or left without space on its disk."""

from __future__ import annotations

import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import strongroom

from torture.keystore.stands import Stand, new_stand
from torture.postgres import Server, give
from torture.report import Report
from torture.traces import files


def cut_off(parent: Path | None, dice: random.Random, report: Report) -> None:
    """Each kind of outage once, under `encrypt` of a tree and under `keys rotate`."""
    with (
        small_disk(report) as disk,
        own_server(disk) as server,
        new_stand(parent, server, database="postgres") as stand,
    ):
        source = make_tree(stand)
        undisturbed = seconds_of(stand, source)
        for name, outage in OUTAGES.items():
            if name == "disk full" and disk is None:
                continue
            under_encrypt(stand, source, name, outage, dice.uniform(0.3, 0.8) * undisturbed, report)
            under_rotation(stand, name, outage, report)
        control(stand, source, report)


def under_encrypt(stand: Stand, source: Path, name: str, outage: Outage, until: float, report: Report) -> None:
    """A tree of which every few files need a data key: it stops in time, leaves nothing half, and goes on afterwards."""
    target = stand.place.folder / "target"
    # a full disk only hinders whoever writes to the keystore: once in hundreds of data keys
    expected = {UNAVAILABLE, 0} if name == "disk full" else {UNAVAILABLE}
    for attempt in range(TRIES):
        process = stand.place.start("encrypt", source, target, "--class", "few", "--json")
        time.sleep(until / 2**attempt)
        with outage(stand.server):
            stopped, code, stderr = ended(process)
        # it had every key that it needed when the server went: too late to tell anything
        if code in expected or code != 0:
            break
        shutil.rmtree(target)
    report.count(f"encrypt, {name}")
    report.notes.append(f"encrypt, {name}: {stopped:.1f} s, exit code {code}")
    if code not in expected or stopped > BOUND:
        report.found.append(f"encrypt, {name}: exit code {code} after {stopped:.1f} s: {stderr[-300:]}")
    if code != 0 and "unavailable.keystore" not in stderr:
        report.found.append(f"encrypt, {name}: it does not say that the keystore is unavailable: {stderr[-300:]}")
    report.found.extend(f"encrypt, {name}: {line}" for line in partial(stand, target))
    resumed = stand.place.start("encrypt", source, target, "--class", "few", "--resume")
    _, code, stderr = ended(resumed)
    if code != 0:
        report.found.append(f"encrypt, {name}: it does not go on afterwards: {stderr[-300:]}")
    shutil.rmtree(target, ignore_errors=True)


def under_rotation(stand: Stand, name: str, outage: Outage, report: Report) -> None:
    """Rotations while the server is away: exit code 30 in time, and sound afterwards."""
    with stand.place.open() as room:
        key_id = room.keys.list()[0].id
    with outage(stand.server):
        codes, slowest = set(), 0.0
        for _ in range(ROTATIONS):
            took, code, _ = ended(stand.place.start("keys", "rotate", key_id))
            codes.add(code)
            slowest = max(slowest, took)
            if code == UNAVAILABLE:
                break
    report.count(f"rotate, {name}")
    report.notes.append(f"rotate, {name}: {slowest:.1f} s, exit codes {sorted(codes)}")
    if UNAVAILABLE not in codes or codes - {0, UNAVAILABLE} or slowest > BOUND:
        report.found.append(f"rotate, {name}: exit codes {codes}, {slowest:.1f} s")
    report.found.extend(f"rotate, {name}: {line}" for line in stand.check().wrong)
    _, code, stderr = ended(stand.place.start("keys", "rotate", key_id))
    if code != 0:
        report.found.append(f"rotate, {name}: it does not go on afterwards: {stderr[-300:]}")


def control(stand: Stand, source: Path, report: Report) -> None:
    """Half a message among the outputs has to be seen."""
    target = stand.place.folder / "target"
    ended(stand.place.start("encrypt", source, target, "--class", "few"))
    output = next(path for path in files(target) if path.suffix == ".sr")
    output.write_bytes(output.read_bytes()[:-9])
    report.controls["half a message among the outputs"] = any(partial(stand, target))


def partial(stand: Stand, target: Path) -> Iterator[str]:
    """Outputs under their names that do not verify."""
    if not target.exists():
        return
    with strongroom.open(stand.place.room, key_file=stand.place.key) as room:
        for path in files(target):
            if path.suffix != ".sr" or ".strongroom" in path.parts:
                continue
            try:
                room.verify(path)
            except strongroom.errors.StrongroomError as error:
                yield f"{path.name} is not whole: {error}"


def make_tree(stand: Stand) -> Path:
    """Many small files, and a class of which a data key serves few of them."""
    source = stand.place.folder / "source"
    source.mkdir()
    for number in range(FILES):
        (source / f"{number}").write_bytes(b"%d" % number * 50)
    with stand.place.open() as room:
        room.classes.create("few", max_messages=2, reason="so that many keys are needed")
    return source


def seconds_of(stand: Stand, source: Path) -> float:
    """How long an undisturbed run takes."""
    target = stand.place.folder / "target"
    took, code, stderr = ended(stand.place.start("encrypt", source, target, "--class", "few"))
    if code != 0:
        raise RuntimeError(f"encrypt does not even work undisturbed: {stderr}")
    shutil.rmtree(target)
    return took


def ended(process: subprocess.Popen[str]) -> tuple[float, int, str]:
    """How long a command took to its end from now, its exit code, and what it said."""
    start = time.monotonic()
    stdout, stderr = process.communicate(timeout=PATIENCE)
    return time.monotonic() - start, process.returncode, stdout + stderr


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    """Stopped as for maintenance."""
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def paused(server: Server) -> Iterator[None]:
    """SIGSTOP: connections stay open and nobody answers."""
    with server.paused():
        yield


@contextmanager
def crashed(server: Server) -> Iterator[None]:
    """SIGKILL for all of it."""
    server.kill()
    try:
        yield
    finally:
        server.start()


@contextmanager
def full(server: Server) -> Iterator[None]:
    """No space on the disk of the server, which may end for it."""
    filler = server.data.parent / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(1 << 16)):
                pass
        except OSError:
            pass
    try:
        yield
    finally:
        filler.unlink()
        server.kill()
        server.start()


@contextmanager
def small_disk(report: Report) -> Iterator[Path | None]:
    """A file system of little space, None where this user cannot mount one."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-disk-", dir="/tmp"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK}", "strongroom", str(folder)]
    mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    try:
        if not mounted:
            report.notes.append("no small disk could be mounted here: a full one was not tried")
        yield folder if mounted else None
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=False)
        folder.rmdir()


@contextmanager
def own_server(disk: Path | None) -> Iterator[Server]:
    """A server whose data is on `disk`, and whose socket is elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-pg-", dir="/tmp"))
    server = None
    try:
        give(folder)
        if disk is not None:
            give(disk)
        server = Server(folder, None if disk is None else disk / "data", SMALL)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


Outage = Callable[[Server], AbstractContextManager[None]]
OUTAGES = {"stopped": stopped, "paused": paused, "killed": crashed, "disk full": full}
FILES = 400
TRIES = 5
ROTATIONS = 50
UNAVAILABLE = 30
# docs/guides/postgres.md promises 20 s; an interpreter starts and ends besides
BOUND = 30.0
PATIENCE = 300.0
DISK = "160m"
SMALL = ("min_wal_size=32MB", "max_wal_size=32MB", "shared_buffers=16MB")
