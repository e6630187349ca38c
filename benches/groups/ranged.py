"""Parts of a large message: 4 KiB here and there, and all of it in order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client.fileobj import MessageReader, buffered

from benches.groups import ours
from benches.harness.row import Group, Row, calls, clocked
from benches.peers.file import Workplace

if TYPE_CHECKING:
    import io
    from collections.abc import Iterator

    from benches.harness.run import Scope

GIB = 1 << 30
FRAME = 64 << 10
PART = 4 << 10
READS = 2000
PIECE = 1 << 20
SCATTER = 0x9E37_79B9_7F4A_7C15
"""As the floor has it: multiples of it, taken modulo the frames of a file, follow no order."""


def groups(scope: Scope) -> Iterator[Group]:
    """At random in 2 GiB in memory, or in 8 GiB of a disk whose pages are cached, and in order in 1 GiB."""
    size, folder = (8 * GIB, scope.disk) if scope.large else (2 * GIB, scope.folder)
    name = "ranged/4 KiB at random"
    if scope.wants(name):
        with tempfile.TemporaryDirectory(dir=folder) as place:
            yield at_random(scope, name, Path(place), size)
    name = "ranged/sequential 1 MiB reads"
    if scope.wants(name):
        with tempfile.TemporaryDirectory(dir=scope.folder) as place:
            yield in_order(scope, name, Path(place))


def at_random(scope: Scope, name: str, folder: Path, size: int) -> Group:
    """Each read wants one frame. The plaintext is sparse, so that it takes no room."""
    plaintext, message = folder / "plaintext", folder / "message"
    with plaintext.open("wb") as file:
        file.truncate(size)
    ours.library().seal(plaintext, message)
    file_object = opened(message)
    frames = size // FRAME
    # each frame, and a different page of it each time
    places = [at * SCATTER % (1 << 64) % frames * FRAME + at % (FRAME // PART) * PART for at in range(READS)]

    def seek_and_read() -> None:
        for place in places:
            file_object.seek(place)
            file_object.read(PART)

    raw = file_object.raw
    assert isinstance(raw, MessageReader)

    def pread() -> None:
        for place in places:
            raw.pread(PART, place)

    file_object.seek(places[1])
    if file_object.read(PART) != bytes(PART) or raw.pread(PART, places[2]) != bytes(PART):
        raise AssertionError("we do not give back what we were given")
    rows = [
        Row("floor", "floor", clocked(lambda: crypto.bench_ranged(message, FRAME, READS))),
        Row("strongroom, seek and read", "strongroom", calls(seek_and_read)),
        Row("strongroom, pread", "strongroom", calls(pread)),
    ]
    return Group(name, "reads", READS, "floor", rows, rounds=scope.rounds)


def in_order(scope: Scope, name: str, folder: Path) -> Group:
    """A loop over the file object beside the decryption of the file."""
    work, mine = Workplace(folder, GIB), ours.library()
    work.check(mine)
    work.seal(mine)
    buffer = memoryview(bytearray(PIECE))

    def read() -> None:
        with opened(work.sealed) as file:
            while file.read(PIECE):
                pass

    def readinto() -> None:
        with opened(work.sealed) as file:
            while file.readinto(buffer):
                pass

    def forget() -> None:
        work.opened.unlink(missing_ok=True)

    rows = [
        Row("strongroom decrypt_file", "strongroom", calls(lambda: work.open(mine), forget)),
        Row("strongroom, read", "strongroom", calls(read)),
        Row("strongroom, readinto", "strongroom", calls(readinto)),
    ]
    return Group(name, "bytes", GIB, "strongroom decrypt_file", rows, rounds=scope.rounds, once=True)


def opened(message: Path) -> io.BufferedReader:
    """The file object that a room gives, under a raw keyring."""
    header = crypto.MessageFile.open(message).header
    reader = crypto.RangedReader.open(message, header, ours.opening(header))
    return buffered(reader, str(message), lambda _: None)
