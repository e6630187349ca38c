"""What each path costs per MiB of plaintext: page faults, system calls, bytes copied by the kernel and by us.

`python -m benches.costs [--json FILE]`. Each path runs in a process of its own, once with few and once with many turns: the
difference is the cost of the turns, without what starting costs. Faults come from getrusage, the kernel's copies from
/proc/self/io (what was read and written), calls from `strace -f -c` where there is one; our own copies are counted by
reading the code, and said here.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.materials import encryption_materials

from benches.groups import ours
from benches.groups.ours import KEYRING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIB = 1 << 20
SIZE = 64 * MIB
RANGE, READS = 4096, 4096
FEW, MANY = 2, 10


@dataclass(frozen=True)
class Cost:
    """One row, per MiB of plaintext."""

    path: str
    faults: float
    calls: float | None
    kernel_bytes: float
    our_copies: str


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.costs", description=__doc__)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--child", nargs=2, metavar=("PATH", "TURNS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(child(options.child[0], int(options.child[1]))), file=sys.stderr)
        return
    costs = [measure(path) for path in PATHS]
    print("| path | page faults | system calls | MiB copied by the kernel | copied by us |\n|---|--:|--:|--:|---|")
    for cost in costs:
        calls = "" if cost.calls is None else f"{cost.calls:.2f}"
        print(f"| {cost.path} | {cost.faults:.1f} | {calls} | {cost.kernel_bytes / MIB:.2f} | {cost.our_copies} |")
    if options.json:
        options.json.write_text(json.dumps([asdict(cost) for cost in costs], indent=2))


def measure(path: str) -> Cost:
    """Both runs of one path, and what lies between them."""
    few, many = (counters(path, turns) for turns in (FEW, MANY))
    units = (MANY - FEW) * PATHS[path][1] / MIB
    per_mib = {name: (many[name] - few[name]) / units for name in few}
    return Cost(path, per_mib["faults"], per_mib.get("calls"), per_mib["kernel_bytes"], PATHS[path][2])


def counters(path: str, turns: int) -> dict[str, float]:
    """The counters of one process, and the calls of another one under strace, which has costs of its own."""
    command = [sys.executable, "-m", "benches.costs", "--child", path, str(turns)]
    counted: dict[str, float] = json.loads(between_pipes(command, turns))
    if strace := shutil.which("strace"):
        with tempfile.NamedTemporaryFile("r") as summary:
            between_pipes([strace, "-f", "-c", "-o", summary.name, *command], turns)
            total = re.search(r"^100\.00\s+\S+\s+\S+\s+(\d+)", summary.read(), re.MULTILINE)
            counted["calls"] = float(total[1]) if total else 0.0
    return counted


def between_pipes(command: list[str], turns: int) -> bytes:
    """Runs a process between two pipes, for the path that reads and writes them, and gives what it says of itself."""
    feed = subprocess.Popen(["head", "-c", str(turns * SIZE), "/dev/zero"], stdout=subprocess.PIPE)
    job = subprocess.Popen(command, stdin=feed.stdout, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    sink = subprocess.Popen(["cat"], stdin=job.stdout, stdout=subprocess.DEVNULL)
    for end in (feed.stdout, job.stdout):
        assert end is not None
        end.close()
    assert job.stderr is not None
    with feed, sink, job:
        said = job.stderr.read()
    if job.returncode:
        raise SystemExit(said.decode())
    return said


def child(path: str, turns: int) -> dict[str, float]:
    """So many turns of one path; a stream is as long as so many."""
    base = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=base) as folder, PATHS[path][0](Path(folder)) as turn:
        if path == STREAM:
            turns = 1
        else:
            turn()
        faults, copied = resource.getrusage(resource.RUSAGE_SELF).ru_minflt, kernel_bytes()
        for _ in range(turns):
            turn()
        return {
            "faults": resource.getrusage(resource.RUSAGE_SELF).ru_minflt - faults,
            "kernel_bytes": kernel_bytes() - copied,
        }


def kernel_bytes() -> int:
    """Bytes that system calls of this process have copied to it and from it."""
    facts = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
    return int(facts["rchar"]) + int(facts["wchar"])


@contextmanager
def into(_: Path) -> Iterator[Callable[[], object]]:
    """Buffers of the caller."""
    materials, plaintext = encryption_materials(KEYRING), bytes(SIZE)
    out = bytearray(crypto.encrypted_size(materials, SIZE))
    yield lambda: crypto.encrypt_into(materials, plaintext, out)


@contextmanager
def fresh(_: Path) -> Iterator[Callable[[], object]]:
    """New bytes for each result."""
    materials, plaintext = encryption_materials(KEYRING), bytes(SIZE)
    yield lambda: crypto.encrypt(materials, plaintext)


@contextmanager
def encrypt_file(folder: Path) -> Iterator[Callable[[], object]]:
    """A file into a message file."""
    materials, (source, target) = encryption_materials(KEYRING), (folder / "source", folder / "target")
    source.write_bytes(bytes(SIZE))
    yield lambda: crypto.encrypt_file(materials, source, target, force=True)


@contextmanager
def decrypt_file(folder: Path) -> Iterator[Callable[[], object]]:
    """A message file into a file."""
    message, opening = message_file(folder)
    yield lambda: message.decrypt(opening, folder / "target", force=True)


@contextmanager
def verify(folder: Path) -> Iterator[Callable[[], object]]:
    """A message file into nothing."""
    message, opening = message_file(folder)
    yield lambda: message.verify(opening)


@contextmanager
def stream(_: Path) -> Iterator[Callable[[], object]]:
    """From one pipe to another."""
    materials = encryption_materials(KEYRING)
    yield lambda: crypto.encrypt_stream(materials, 0, 1)


@contextmanager
def ranged(folder: Path) -> Iterator[Callable[[], object]]:
    """4 KiB from scattered places."""
    message, opening = message_file(folder)
    reader = crypto.RangedReader.open(folder / "message", message.header, opening)
    places = [number * 7_919_993 % (SIZE - RANGE) for number in range(READS)]
    yield lambda: sum(len(reader.read(place, RANGE)) for place in places)


@contextmanager
def in_order(folder: Path) -> Iterator[Callable[[], object]]:
    """From start to end, 1 MiB at a time."""
    message, opening = message_file(folder)
    reader = crypto.RangedReader.open(folder / "message", message.header, opening)
    yield lambda: sum(len(reader.read(at, MIB)) for at in range(0, SIZE, MIB))


@contextmanager
def tree(folder: Path) -> Iterator[Callable[[], object]]:
    """Many files of 16 KiB."""
    source, target, keys = folder / "source", folder / "target", TreeKeys()
    source.mkdir()
    for number in range(SIZE // TREE_FILE):
        (source / str(number)).write_bytes(bytes(TREE_FILE))

    def turn() -> None:
        crypto.encrypt_tree(source, target, keys)
        # its calls stand in the sums too: one for a file, and few more
        shutil.rmtree(target)

    yield turn


class TreeKeys:
    """One data key for every file."""

    materials = encryption_materials(KEYRING)

    def encryption(self, plaintext_bytes: int, messages: int = 1) -> crypto.EncryptionMaterials:
        """Materials for so many messages."""
        del plaintext_bytes, messages
        return self.materials

    def decryption(
        self, header: crypto.Header, message_bytes: int = 0, messages: int = 1
    ) -> crypto.DecryptionMaterials:
        """Materials for messages under this header's key."""
        del message_bytes, messages
        return ours.opening(header)


def message_file(folder: Path) -> tuple[crypto.MessageFile, crypto.DecryptionMaterials]:
    """A message file and what opens it."""
    path = folder / "message"
    path.write_bytes(crypto.encrypt(encryption_materials(KEYRING), bytes(SIZE)))
    message = crypto.MessageFile.open(path)
    return message, ours.opening(message.header)


TREE_FILE = 16 << 10
STREAM = "encrypt_stream, pipe to pipe"
PATHS: dict[str, tuple[Callable[[Path], AbstractContextManager[Callable[[], object]]], int, str]] = {
    "encrypt_into": (into, SIZE, "0"),
    "encrypt, new bytes": (fresh, SIZE, "0"),
    "encrypt_file": (encrypt_file, SIZE, "0, in place"),
    "decrypt_file": (decrypt_file, SIZE, "0, in place"),
    "verify": (verify, SIZE, "0, in place"),
    STREAM: (stream, SIZE, "0"),
    "read, 1 MiB in order": (in_order, SIZE, "0"),
    "read, random 4 KiB": (ranged, RANGE * READS, "1 of what is read"),
    "encrypt_tree, files of 16 KiB": (tree, SIZE, "0, in place"),
}
"""Each path: what runs it, plaintext bytes of a turn, and how often our own code copies each byte."""

if __name__ == "__main__":
    main()
