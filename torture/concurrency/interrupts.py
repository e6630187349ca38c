"""SIGINT inside large calls, and how long each takes to end."""

from __future__ import annotations

import mmap
import os
import random
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import strongroom
from strongroom.client import decrypt_messages, encrypt_message, encrypt_messages
from strongroom.keyring import RawAesKeyring

from torture.concurrency.trial import Trial
from torture.place import Place

PROMPT = 0.2
MIB = 1 << 20
ROOT = Path(__file__).parents[2]


def interrupt_calls(trial: Trial) -> None:
    """Interrupt each kind of call at random instants; each must end within the fifth of a second."""
    place, dice, options, report = trial.place, trial.dice, trial.options, trial.report
    for name in options.calls:
        took = interrupted(place, name, options.mib, options.interrupts, dice)
        report.count(f"interrupts of {name}", len(took))
        report.notes.append(
            f"{name} of {options.mib:,} MiB ended after {1000 * statistics.median(took):.0f} ms (median),"
            f" {1000 * max(took):.0f} ms (longest of {len(took)})"
        )
        late = sum(seconds > PROMPT for seconds in took)
        if late:
            report.found.append(f"{late} of {len(took)} interrupts of {name} took longer than {PROMPT:g} s")
    deaf = interrupted(place, "deaf", options.mib, 2, dice)
    report.controls["a call that does not look for signals"] = min(deaf) > PROMPT


def interrupted(place: Place, name: str, mib: int, times: int, dice: random.Random) -> list[float]:
    """Seconds from each SIGINT to the end of the call."""
    program = f"from torture.concurrency.interrupts import child; child({name!r}, {mib}, {str(place.folder)!r})"
    process = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=place.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin
    assert process.stdout
    took = []
    for _ in range(times):
        if process.stdout.readline() != "begun\n":
            raise RuntimeError(f"the child that runs {name} is gone")
        time.sleep(dice.uniform(0.01, 0.3))
        sent = time.monotonic()
        process.send_signal(signal.SIGINT)
        took.append(float(process.stdout.readline()) - sent)
    process.kill()
    process.communicate()
    return took


def child(name: str, mib: int, folder: str) -> None:
    """Call without pause, and say when an interrupt ended it. One clock serves all processes of a machine."""
    # a shell leaves it ignored in what it starts in the background
    signal.signal(signal.SIGINT, signal.default_int_handler)
    call = (JOBS | {"deaf": deaf})[name](Site(Path(folder), mib * MIB))
    call()
    while True:
        try:
            print("begun", flush=True)
            while True:
                call()
        except KeyboardInterrupt:
            print(time.monotonic(), flush=True)


@dataclass(frozen=True)
class Site:
    """Where a call has its files, and how large what it works on is."""

    folder: Path
    size: int


def encrypt(site: Site) -> Callable[[], object]:
    """A large buffer."""
    data, keyring = mmap.mmap(-1, site.size), RawAesKeyring("torture", "key", os.urandom(32))
    return lambda: encrypt_message(data, keyring)


def encrypt_file(site: Site) -> Callable[[], object]:
    """A large file."""
    source, room = large(site.folder / "large", site.size), strongroom.open()
    return lambda: room.encrypt_file(source, site.folder / "large.sr", force=True)


def decrypt_file(site: Site) -> Callable[[], object]:
    """The same back."""
    source, room = large(site.folder / "large", site.size), strongroom.open()
    room.encrypt_file(source, site.folder / "read.sr", force=True)
    return lambda: room.decrypt_file(site.folder / "read.sr", site.folder / "large.out", force=True)


def encrypt_tree(site: Site) -> Callable[[], object]:
    """A tree of many small files and a large one."""
    room, tree, target = strongroom.open(), site.folder / "large-tree", site.folder / "large-tree.sr"
    if not tree.exists():
        tree.mkdir()
        for number in range(2000):
            (tree / str(number)).write_bytes(os.urandom(1000))
        large(tree / "large", site.size // 2)

    return lambda: room.encrypt_tree(tree, target, force=True)


def decrypt_many(site: Site) -> Callable[[], object]:
    """Many messages."""
    keyring = RawAesKeyring("torture", "key", os.urandom(32))
    messages = encrypt_messages([bytes(64 << 10)] * (site.size >> 16), keyring)
    return lambda: decrypt_messages(messages, keyring)


def encrypt_many(site: Site) -> Callable[[], object]:
    """Many small messages, which Python's own objects are made for."""
    keyring, items = RawAesKeyring("torture", "key", os.urandom(32)), [bytes(1000)] * (site.size >> 12)
    return lambda: encrypt_messages(items, keyring)


def stream(site: Site) -> Callable[[], object]:
    """A stream from a file into nothing."""
    source, room = large(site.folder / "large", site.size), strongroom.open()

    def call() -> None:
        with source.open("rb") as reader, open(os.devnull, "wb") as writer:
            room.encrypt_stream(reader.fileno(), writer.fileno())

    return call


def silent(_: Site) -> Callable[[], object]:
    """A stream from a pipe on which nothing comes."""
    room, null = strongroom.open(), os.open(os.devnull, os.O_WRONLY)
    reader, writer = os.pipe()

    def call() -> None:
        if not warm:
            warm.append(os.write(writer, bytes(10)))
            return
        room.encrypt_stream(reader, null)

    warm: list[int] = []
    return call


def deaf(_: Site) -> Callable[[], object]:
    """The control: it puts the signal off."""

    def call() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
        time.sleep(0.6)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])

    return call


def large(path: Path, size: int) -> Path:
    """A file of so many random bytes."""
    if not path.exists():
        block = os.urandom(MIB)
        with path.open("wb") as file:
            for _ in range(size // MIB):
                file.write(block)
    return path


JOBS: dict[str, Callable[[Site], Callable[[], object]]] = {
    "encrypt": encrypt,
    "encrypt_file": encrypt_file,
    "decrypt_file": decrypt_file,
    "encrypt_tree": encrypt_tree,
    "encrypt_many": encrypt_many,
    "decrypt_many": decrypt_many,
    "stream": stream,
    "silent": silent,
}
