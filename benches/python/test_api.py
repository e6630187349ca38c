"""The Python API call by call, with pytest-benchmark: `make bench-python`."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest
import strongroom
from strongroom.client import (
    decrypt_message,
    decrypt_message_into,
    decrypt_messages,
    encrypt_message,
    encrypt_message_into,
    encrypt_messages,
)
from strongroom.keyring import RawAesKeyring

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_benchmark.fixture import BenchmarkFixture
    from strongroom.client.room import Room

KEYRING = RawAesKeyring("bench", "key", bytes(32))
SIZES = {"1 KiB": 1 << 10, "64 KiB": 1 << 16, "1 MiB": 1 << 20, "64 MiB": 1 << 26}
MANY = 1000


@pytest.fixture(params=list(SIZES.values()), ids=list(SIZES))
def plaintext(request: pytest.FixtureRequest) -> bytes:
    size: int = request.param
    return os.urandom(size)


@pytest.fixture(scope="module")
def room(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Room]:
    folder = tmp_path_factory.mktemp("room")
    strongroom.init(folder / "room", make_key_file=folder / "key")
    with strongroom.open(folder / "room", key_file=folder / "key") as opened:
        yield opened


def test_encrypt_message(benchmark: BenchmarkFixture, plaintext: bytes) -> None:
    assert decrypt_message(benchmark(encrypt_message, plaintext, KEYRING), KEYRING) == plaintext


def test_decrypt_message(benchmark: BenchmarkFixture, plaintext: bytes) -> None:
    assert benchmark(decrypt_message, encrypt_message(plaintext, KEYRING), KEYRING) == plaintext


def test_encrypt_message_into(benchmark: BenchmarkFixture, plaintext: bytes) -> None:
    out = bytearray(len(encrypt_message(plaintext, KEYRING)))
    length = benchmark(encrypt_message_into, plaintext, out, KEYRING)
    assert decrypt_message(memoryview(out)[:length], KEYRING) == plaintext


def test_decrypt_message_into(benchmark: BenchmarkFixture, plaintext: bytes) -> None:
    out = bytearray(len(plaintext))
    benchmark(decrypt_message_into, encrypt_message(plaintext, KEYRING), out, KEYRING)
    assert out == plaintext


def test_encrypt_messages(benchmark: BenchmarkFixture) -> None:
    plaintexts = [os.urandom(1 << 10) for _ in range(MANY)]
    assert decrypt_messages(benchmark(encrypt_messages, plaintexts, KEYRING), KEYRING) == plaintexts


def test_decrypt_messages(benchmark: BenchmarkFixture) -> None:
    plaintexts = [os.urandom(1 << 10) for _ in range(MANY)]
    assert benchmark(decrypt_messages, encrypt_messages(plaintexts, KEYRING), KEYRING) == plaintexts


def test_room_encrypt(benchmark: BenchmarkFixture, plaintext: bytes, room: Room) -> None:
    assert room.decrypt(benchmark(room.encrypt, plaintext)) == plaintext


def test_room_decrypt(benchmark: BenchmarkFixture, plaintext: bytes, room: Room) -> None:
    assert benchmark(room.decrypt, room.encrypt(plaintext)) == plaintext


def test_room_encrypt_many(benchmark: BenchmarkFixture, room: Room) -> None:
    plaintexts = [os.urandom(1 << 10) for _ in range(MANY)]
    assert room.decrypt_many(benchmark(room.encrypt_many, plaintexts)) == plaintexts


def test_room_decrypt_many(benchmark: BenchmarkFixture, room: Room) -> None:
    plaintexts = [os.urandom(1 << 10) for _ in range(MANY)]
    assert benchmark(room.decrypt_many, room.encrypt_many(plaintexts)) == plaintexts


def test_room_encrypt_file(benchmark: BenchmarkFixture, plaintext: bytes, room: Room, tmp_path: Path) -> None:
    source, message = tmp_path / "source", tmp_path / "message"
    source.write_bytes(plaintext)
    benchmark(room.encrypt_file, source, message, force=True)
    assert room.decrypt(message.read_bytes()) == plaintext


def test_room_decrypt_file(benchmark: BenchmarkFixture, plaintext: bytes, room: Room, tmp_path: Path) -> None:
    source, message, opened = (tmp_path / name for name in ("source", "message", "opened"))
    source.write_bytes(plaintext)
    room.encrypt_file(source, message)
    benchmark(room.decrypt_file, message, opened, force=True)
    assert opened.read_bytes() == plaintext


def test_room_read_a_range(benchmark: BenchmarkFixture, room: Room, tmp_path: Path) -> None:
    source, message = tmp_path / "source", tmp_path / "message"
    plaintext = os.urandom(1 << 22)
    source.write_bytes(plaintext)
    room.encrypt_file(source, message)
    places = itertools.cycle(range(0, len(plaintext), 1 << 18))  # none in the buffer that the last one filled
    with room.open(message) as file:

        def read() -> tuple[int, bytes]:
            place = next(places)
            file.seek(place)
            return place, file.read(1 << 12)

        place, part = benchmark(read)
    assert part == plaintext[place : place + (1 << 12)]
