"""Any part of a message file, read in any way, is that part of the plaintext; what is not authentic is not released."""

from __future__ import annotations

import io
import random
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from strongroom import crypto
from strongroom.client.fileobj import buffered
from strongroom.errors import AuthenticationFailed, Misuse, SourceChanged
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials

if TYPE_CHECKING:
    from pathlib import Path

KEYRING = RawAesKeyring("tests", "key", bytes(32))
POLICY = "require-encrypt-require-decrypt"
FRAME = 1 << 16


def refused(error: AuthenticationFailed) -> None:
    raise AssertionError("every frame is authentic") from error


@pytest.fixture(scope="module")
def plaintext() -> bytes:
    return random.Random(4).randbytes((3 << 20) + 12_345)


def write(path: Path, plaintext: bytes, frame_length: int = FRAME) -> None:
    path.write_bytes(crypto.encrypt(encryption_materials(KEYRING, frame_length=frame_length), plaintext))


def reader(path: Path) -> crypto.RangedReader:
    header = crypto.MessageFile.open(path).header
    materials = decryption_materials(header, KEYRING, context=None, commitment_policy=POLICY)
    return crypto.RangedReader.open(path, header, materials)


@pytest.mark.parametrize("frame_length", [333, 4096, FRAME, 1 << 20, 4 << 20])
def test_ranges_of_every_shape(tmp_path: Path, plaintext: bytes, frame_length: int) -> None:
    write(tmp_path / "message", plaintext, frame_length)
    ranged = reader(tmp_path / "message")
    chosen = random.Random(5)
    edges = [0, 1, frame_length - 1, frame_length, frame_length + 1, len(plaintext) - 1, len(plaintext)]
    places = edges + [chosen.randrange(len(plaintext)) for _ in range(20)]
    for at in places:
        for size in (1, 4096, frame_length, 2 * frame_length + 1, 600_000, len(plaintext)):
            expected = plaintext[at : at + size]
            assert ranged.read(at, size) == expected
            out = bytearray(b"\xee" * size)
            assert ranged.read_into(at, out, control=crypto.Control(1)) == len(expected)
            assert out == expected + b"\xee" * (size - len(expected))
            assert ranged.read_into(at, out, 100) == len(expected[:100])


@pytest.mark.parametrize("frame_length", [333, 4096, 100_000, FRAME, 2 << 20])
def test_a_file_object_reads_as_the_plaintext_does(tmp_path: Path, plaintext: bytes, frame_length: int) -> None:
    write(tmp_path / "message", plaintext, frame_length)
    ours, theirs = buffered(reader(tmp_path / "message"), "message", refused), io.BytesIO(plaintext)
    chosen = random.Random(6)
    for _ in range(400):
        if chosen.random() < 0.3:
            whence = chosen.choice([io.SEEK_SET, io.SEEK_CUR, io.SEEK_END])
            place = chosen.randrange(len(plaintext))
            offset = place - {io.SEEK_SET: 0, io.SEEK_CUR: theirs.tell(), io.SEEK_END: len(plaintext)}[whence]
            assert ours.seek(offset, whence) == theirs.seek(offset, whence)
        size = chosen.choice([0, 1, 100, 4096, FRAME - 1, FRAME, 300_000, 1 << 20])
        assert ours.read(size) == theirs.read(size)
        assert ours.tell() == theirs.tell()
    assert ours.seek(7) == 7
    assert ours.read() == plaintext[7:]
    assert ours.read() == b""


def test_lines_and_no_such_position(tmp_path: Path) -> None:
    lines = [b"%d\n" % number for number in range(50_000)]
    write(tmp_path / "message", b"".join(lines))
    file = buffered(reader(tmp_path / "message"), "message", refused)
    assert list(file) == lines
    for offset, whence in [(-1, io.SEEK_SET), (-1_000_000, io.SEEK_CUR), (0, 9)]:
        with pytest.raises((Misuse, ValueError)):
            file.raw.seek(offset, whence)
    file.close()
    with pytest.raises(ValueError, match="closed"):
        file.read(1)


def test_a_small_read_opens_one_frame_and_a_large_one_what_it_asks_for(tmp_path: Path, plaintext: bytes) -> None:
    write(tmp_path / "message", plaintext)
    sealed = reader(tmp_path / "message")
    asked: list[tuple[int, int]] = []

    class Watched:
        frame_length = FRAME

        def read_into(self, at: int, out: bytearray, most: int) -> int:
            count = sealed.read_into(at, out, most)
            asked.append((at, count))
            return count

    file = buffered(Watched(), "message", refused)  # type: ignore[arg-type]
    file.seek(5 * FRAME + 1000)
    file.read(4096)
    file.read(4096)
    assert asked == [(5 * FRAME + 1000, FRAME - 1000)]
    file.read(FRAME)
    assert asked[1:] == [(6 * FRAME, FRAME)]
    asked.clear()
    file.seek(0)
    file.read(1 << 20)
    file.read(1 << 20)
    assert asked == [(0, 1 << 20), (1 << 20, 1 << 20)]


def test_small_frames_are_read_many_at_a_time_once_the_order_shows(tmp_path: Path, plaintext: bytes) -> None:
    write(tmp_path / "message", plaintext, 4096)
    file = buffered(reader(tmp_path / "message"), "message", refused)
    file.seek(10)
    places = []
    for _ in range(40):
        file.read(4096)
        places.append(file.raw.tell())
    assert places[0] == 3 * 4096
    assert {place % 4096 for place in places} == {0}
    assert len(set(places)) < 8


def test_threads_share_a_reader(tmp_path: Path, plaintext: bytes) -> None:
    write(tmp_path / "message", plaintext)
    ranged = reader(tmp_path / "message")

    def some(seed: int) -> bool:
        chosen = random.Random(seed)
        places = [(chosen.randrange(len(plaintext)), chosen.choice([100, 70_000, 900_000])) for _ in range(60)]
        return all(ranged.read(at, size) == plaintext[at : at + size] for at, size in places)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(some, range(8)))


@pytest.mark.parametrize("size", [4096, FRAME, 2 << 20])
def test_nothing_of_an_altered_frame_is_released(tmp_path: Path, plaintext: bytes, size: int) -> None:
    path = tmp_path / "message"
    write(path, plaintext)
    altered = bytearray(path.read_bytes())
    start = len(altered) - crypto_body_length(len(plaintext))
    altered[start + 10 * (FRAME + 32) + 500] ^= 1
    path.write_bytes(altered)
    ranged = reader(path)
    assert ranged.read(9 * FRAME, FRAME) == plaintext[9 * FRAME : 10 * FRAME]
    out = bytearray(b"\xee" * size)
    with pytest.raises(AuthenticationFailed):
        ranged.read_into(10 * FRAME, out)
    assert out == bytes(size)
    with pytest.raises(AuthenticationFailed):
        ranged.read(10 * FRAME + 1, size)
    # and the buffers that the failed reads used serve on
    assert ranged.read(9 * FRAME, FRAME) == plaintext[9 * FRAME : 10 * FRAME]


def test_a_file_that_shrank_is_noticed(tmp_path: Path, plaintext: bytes) -> None:
    path = tmp_path / "message"
    write(path, plaintext)
    ranged = reader(path)
    with path.open("r+b") as file:
        file.truncate(FRAME)
    for at in (FRAME, FRAME + 1):
        with pytest.raises(SourceChanged):
            ranged.read(at, 2 * FRAME)


def crypto_body_length(plaintext_bytes: int) -> int:
    frames = -(-plaintext_bytes // FRAME)
    return plaintext_bytes + (frames - 1) * 32 + 40


def test_a_closed_file_object_lets_go_of_its_key(tmp_path: Path) -> None:
    write(tmp_path / "message", b"plaintext")
    ranged = reader(tmp_path / "message")
    file = buffered(ranged, "message", refused)
    raw, held = file.raw, sys.getrefcount(ranged)
    file.close()
    assert sys.getrefcount(ranged) == held - 1
    with pytest.raises(Misuse, match="closed"):
        raw.pread(1, 0)
