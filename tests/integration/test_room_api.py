"""The paved road as an application drives it, on a real room."""

from __future__ import annotations

import asyncio
import io
import mmap
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import strongroom
from strongroom import crypto
from strongroom.errors import (
    AuthenticationFailed,
    KeyNotFound,
    KeyUnavailable,
    Misuse,
    TargetExists,
    UnsupportedFormat,
)
from strongroom.home import trail
from strongroom.materials.room import RoomMaterials

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BIG = bytes(range(256)) * 20_000


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "state"))
    path = tmp_path / "key"
    strongroom.init(tmp_path / "home", make_key_file=path)
    return path


@pytest.fixture
def room(tmp_path: Path, key_file: Path) -> Iterator[strongroom.Room]:
    with strongroom.open(tmp_path / "home", key_file=key_file) as opened:
        yield opened


def audit(tmp_path: Path) -> list[dict[str, object]]:
    return [dict(entry) for entry in trail(tmp_path / "home")]


def test_bytes(room: strongroom.Room) -> None:
    context = {"tenant": "acme"}
    message = room.encrypt(BIG, context=context, reason="nightly export")
    assert room.decrypt(message) == room.decrypt(message, context=context) == BIG
    with pytest.raises(AuthenticationFailed):
        room.decrypt(message, context={"tenant": "other"})
    out = bytearray(room.encrypted_size(len(BIG), context=context))
    assert room.encrypt_into(BIG, out, context=context) == len(out)
    back = bytearray(len(BIG))
    assert room.decrypt_into(out, back) == len(BIG)
    assert back == BIG


def test_reserved_context_and_unknown_class(room: strongroom.Room) -> None:
    for key in ("strongroom-class", "aws-crypto-public-key"):
        with pytest.raises(Misuse, match="reserved"):
            room.encrypt(b"x", context={key: "x"})
    with pytest.raises(KeyNotFound):
        room.encrypt(b"x", data_class="no-such-class")


def test_many(room: strongroom.Room) -> None:
    items = [os.urandom(n) for n in range(300)]
    messages = room.encrypt_many(items)
    assert room.decrypt_many(messages) == items
    messages[7] = messages[7][:-1] + bytes([messages[7][-1] ^ 1])
    with pytest.raises(AuthenticationFailed):
        room.decrypt_many(messages)


def test_a_data_key_serves_no_more_messages_than_its_class_says(room: strongroom.Room) -> None:
    room.classes.create("few", max_messages=10)
    messages = room.encrypt_many([b"x"] * 95, data_class="few") + [
        room.encrypt(b"x", data_class="few") for _ in range(25)
    ]
    uses = Counter(crypto.Header.parse(message).edks[0].ciphertext for message in messages)
    assert max(uses.values()) <= 10
    assert room.decrypt_many(messages) == [b"x"] * 120


def test_a_hit_writes_nothing_and_many_take_few_leases(room: strongroom.Room, tmp_path: Path) -> None:
    room.classes.create("few", max_messages=10)
    message = room.encrypt(b"x", data_class="few", context={"a": "b"})
    assert room.decrypt(message) == b"x"
    before = audit(tmp_path)
    assert [room.decrypt(message, context={"a": "b"}) for _ in range(4)] == [b"x"] * 4
    assert [len(room.encrypt(b"x", data_class="few", context={"a": "b"})) for _ in range(4)] == [len(message)] * 4
    assert audit(tmp_path) == before
    # 5 of the 10 messages of a reader's lease are used up: 25 more take 2 leases
    assert room.decrypt_many([message] * 25) == [b"x"] * 25
    room.close()
    closed = [event for event in audit(tmp_path) if event["event"] == "lease-closed" and event["data_class"] == "few"]
    assert sorted(event["messages"] for event in closed) == [5, 10, 10, 10]


def test_many_of_two_data_keys_are_each_decrypted_with_their_own(room: strongroom.Room) -> None:
    ours, theirs = (room.encrypt_many([b"a", b"b"], context={"tenant": tenant}) for tenant in ("acme", "other"))
    assert room.decrypt_many([ours[0], theirs[0], ours[1], theirs[1]]) == [b"a", b"a", b"b", b"b"]
    with pytest.raises(AuthenticationFailed):
        room.decrypt_many([*ours, theirs[0]], context={"tenant": "acme"})
    assert room.acting_as(principal="alice").decrypt_many(ours) == [b"a", b"b"]


def test_files_and_streams(room: strongroom.Room, tmp_path: Path) -> None:
    source, message, target = tmp_path / "source", tmp_path / "message.sr", tmp_path / "target"
    source.write_bytes(BIG)
    written = room.encrypt_file(source, message, context={"a": "b"}, reason="backup")
    assert (written.plaintext_bytes, written.message_bytes) == (len(BIG), message.stat().st_size)
    assert message.stat().st_mode & 0o777 == 0o600
    assert room.verify(message).message_id == written.message_id  # type: ignore[union-attr]
    facts = room.inspect(message)
    assert (facts.key_id, facts.plaintext_bytes, facts.context["a"]) == (written.key_id, len(BIG), "b")
    room.decrypt_file(message, target)
    assert target.read_bytes() == BIG
    with pytest.raises(TargetExists):
        room.decrypt_file(message, target)
    streamed, back = io.BytesIO(), io.BytesIO()
    room.encrypt_stream(io.BytesIO(BIG), streamed)
    streamed.seek(0)
    room.decrypt_stream(streamed, back)
    assert back.getvalue() == BIG
    assert room.why(message).allowed


def test_pipes(room: strongroom.Room) -> None:
    reader, writer = os.pipe()
    feeding = threading.Thread(target=lambda: (os.write(writer, BIG[:50_000]), os.close(writer)))
    feeding.start()
    sealed = io.BytesIO()
    room.encrypt_stream(reader, sealed)
    feeding.join()
    os.close(reader)
    assert room.decrypt(sealed.getvalue()) == BIG[:50_000]


def test_file_objects(room: strongroom.Room, tmp_path: Path) -> None:
    path = tmp_path / "object.sr"
    with room.open(path, "wb") as file:
        for start in range(0, len(BIG), 77_777):
            file.write(BIG[start : start + 77_777])
        assert file.tell() == len(BIG)
        assert not path.exists()
    with room.open(path) as file:
        assert file.read(10) == BIG[:10]
        file.seek(-7, io.SEEK_END)
        assert file.read() == BIG[-7:]
        file.seek(1_234_567)
        out = bytearray(200_000)
        assert file.readinto(out) == len(out)
        assert out == BIG[1_234_567:1_434_567]
        file.seek(0)
        assert file.read() == BIG


def test_a_writer_that_fails_leaves_nothing(room: strongroom.Room, tmp_path: Path) -> None:
    path = tmp_path / "object.sr"
    before = set(tmp_path.iterdir())

    def fail_midway() -> None:
        with room.open(path, "wb") as file:
            file.write(BIG)
            raise RuntimeError

    def close_in_finally() -> None:
        file = room.open(path, "wb")
        try:
            file.write(BIG)
            raise RuntimeError
        finally:
            file.close()

    def under_a_wrapper() -> None:
        with io.TextIOWrapper(room.open(path, "wb")) as text:  # type: ignore[type-var]
            text.write("half of it")
            raise RuntimeError

    for fail in (fail_midway, close_in_finally, under_a_wrapper):
        with pytest.raises(RuntimeError):
            fail()
    abandoned = room.open(path, "wb")
    abandoned.write(BIG)
    del abandoned
    assert set(tmp_path.iterdir()) == before


def test_a_writer_opened_while_handling_an_exception_is_closed_like_any_other(
    room: strongroom.Room, tmp_path: Path
) -> None:
    path = tmp_path / "report.sr"
    try:
        raise RuntimeError
    except RuntimeError:
        with room.open(path, "wb") as file:
            file.write(b"what went wrong")
    assert room.decrypt(path.read_bytes()) == b"what went wrong"


def test_threads_share_a_writer_without_a_deadlock(room: strongroom.Room, tmp_path: Path) -> None:
    with room.open(tmp_path / "shared.sr", "wb") as file, ThreadPoolExecutor(4) as pool:
        writing = [pool.submit(file.write, BIG) for _ in range(40)]
        telling = [pool.submit(file.tell) for _ in range(400)]
        assert [future.result(60) for future in writing] == [len(BIG)] * 40
        assert all(future.result(60) % len(BIG) == 0 for future in telling)
    with room.open(tmp_path / "shared.sr") as file:
        assert file.seek(0, io.SEEK_END) == 40 * len(BIG)


def test_signed_messages_have_no_ranges(room: strongroom.Room, tmp_path: Path) -> None:
    room.classes.create("signed", suite=0x0578)
    path = tmp_path / "signed.sr"
    with room.open(path, "wb", data_class="signed") as file:
        file.write(BIG)
    assert room.decrypt(path.read_bytes()) == BIG
    with pytest.raises(UnsupportedFormat, match="signed"):
        room.open(path)


def test_keys(room: strongroom.Room) -> None:
    old = room.encrypt(b"old")
    key = room.keys.list()[0]
    rotated = room.keys.rotate(key.id, reason="test")
    assert (rotated.primary, len(rotated.versions)) == (2, 2)
    assert room.decrypt(old) == b"old"


def test_leases_are_recorded_and_closed(room: strongroom.Room, tmp_path: Path) -> None:
    for _ in range(5):
        message = room.encrypt(b"12345", reason="five times")
    room.acting_as(principal="alice", purpose="report").decrypt(message)
    room.close()
    events = audit(tmp_path)
    opened = [event for event in events if event["event"] == "lease-opened"]
    assert [(event["principal"], event["purpose"]) for event in opened][-1] == ("alice", "report")
    assert len(opened) == 2
    closed = {event["lease"]: event for event in events if event["event"] == "lease-closed"}
    assert (closed[opened[0]["lease"]]["messages"], closed[opened[0]["lease"]]["bytes"]) == (5, 25)
    assert opened[0]["reason"] == "five times"


def test_the_cache_never_crosses_principals_purposes_or_contexts(room: strongroom.Room) -> None:
    ids = set()
    for other in (room, room.acting_as(principal="alice"), room.acting_as(purpose="report")):
        for context in ({}, {"tenant": "acme"}):
            message = other.encrypt(b"x", context=context)
            header = crypto.Header.parse(message)
            ids.add(header.edks[0].ciphertext)
            again = crypto.Header.parse(other.encrypt(b"x", context=context))
            assert again.edks[0].ciphertext == header.edks[0].ciphertext
            assert again.message_id != header.message_id
    assert len(ids) == 6


def test_after_close(room: strongroom.Room) -> None:
    message = room.encrypt(b"x")
    room.close()
    for call in (lambda: room.encrypt(b"x"), lambda: room.decrypt(message), room.keys.list):
        with pytest.raises(KeyUnavailable):
            call()


def test_a_forked_child_has_no_keys(room: strongroom.Room) -> None:
    message = room.encrypt(b"x")
    pid = os.fork()
    if pid == 0:
        failed = 0
        for call in (lambda: room.encrypt(b"x"), lambda: room.decrypt(message)):
            try:
                call()
            except KeyUnavailable:
                failed += 1
        os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert room.decrypt(message) == b"x"


def reopened(room: strongroom.Room, message: bytes) -> bytes:
    with room:
        return room.decrypt(message)


def test_a_pickled_room_opens_itself_again(room: strongroom.Room) -> None:
    message = room.encrypt(b"x")
    pickled = pickle.dumps(room)
    assert len(pickled) < 1000
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert pool.starmap(reopened, [(room, message)] * 4) == [b"x"] * 4


def test_many_threads(room: strongroom.Room) -> None:
    def work(number: int) -> bool:
        items = [f"{number}-{i}".encode() * 100 for i in range(50)]
        context = {"thread": str(number % 4)}
        return [room.decrypt(room.encrypt(item, context=context)) for item in items] == items

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(work, range(16)))


def test_asynchronous_twins(room: strongroom.Room, tmp_path: Path) -> None:
    async def main() -> None:
        message = await room.aencrypt(BIG, context={"a": "b"})
        assert await room.adecrypt(message, context={"a": "b"}) == BIG
        (tmp_path / "source").write_bytes(BIG)
        results = await asyncio.gather(
            *(room.aencrypt_file(tmp_path / "source", tmp_path / f"{i}.sr") for i in range(4))
        )
        assert len({result.message_id for result in results}) == 4

    asyncio.run(main())


def test_cancelling_a_twin_stops_it_before_buffers_return(room: strongroom.Room) -> None:
    source = mmap.mmap(-1, 2 << 30)
    out = mmap.mmap(-1, room.encrypted_size(len(source)))

    async def main() -> float:
        task = asyncio.create_task(room.aencrypt_into(source, out))
        await asyncio.sleep(0.05)
        start = time.perf_counter()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.perf_counter() - start

    took = asyncio.run(main())
    source.close()
    out.close()
    assert took < 1


def test_a_signal_stops_a_large_call() -> None:
    script = """
import mmap
from strongroom.client import encrypt_message
from strongroom.keyring import RawAesKeyring
data = mmap.mmap(-1, 8 << 30)
print("ready", flush=True)
try:
    for _ in range(1000):
        encrypt_message(data, RawAesKeyring("tests", "key", bytes(32)))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    start = time.perf_counter()
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "interrupted\n"
    assert time.perf_counter() - start < 2
    process.communicate()


def test_too_many_contexts_are_told_once(room: strongroom.Room) -> None:
    small = RoomMaterials(room._service, capacity=2)
    request = room._request("test")

    def many_contexts() -> None:
        for row in range(20):
            small.for_encryption(request, "default", {"row": str(row)}, messages=1, size=1)

    with pytest.warns(RuntimeWarning, match="distinct encryption contexts") as caught:
        many_contexts()
    assert len(caught) == 1
    small.close()
