"""Re-encryption and census through a room: files, trees and folders, and what is refused."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import strongroom
from strongroom.audit import AuditLog
from strongroom.client import decrypt_message, encrypt_message
from strongroom.client.census import census
from strongroom.crypto import Control, MessageFile
from strongroom.errors import (
    AuditUnavailable,
    AuthenticationFailed,
    Cancelled,
    KeyNotFound,
    KeyStateForbids,
    Misuse,
    PartialFailure,
    UnsupportedFormat,
)
from strongroom.home import trail
from strongroom.keyring import MultiKeyring, RawAesKeyring
from strongroom.keyring.room import RoomKeyring
from strongroom.keyservice import reencrypting
from strongroom.keystore import Change, Snapshot
from strongroom.model import KeyState


@pytest.fixture
def room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "state"))
    strongroom.init(tmp_path / "room", make_key_file=tmp_path / "key")
    with strongroom.open(tmp_path / "room", key_file=tmp_path / "key") as room:
        yield room


@pytest.fixture
def source(tmp_path: Path) -> Path:
    source = tmp_path / "source"
    for number in range(40):
        path = source / str(number % 3) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(os.urandom(number * 301))
    (source / "large").write_bytes(os.urandom(9 << 20))
    (source / "link").symlink_to("large")
    return source


def rotate(room: strongroom.Room) -> None:
    room.keys.rotate(room.keys.list()[0].id, reason="test")


def versions(path: Path) -> dict[int | None, int]:
    counted = census(path)
    assert counted.complete
    sums: dict[int | None, int] = {}
    for row in counted.counts:
        sums[row.version] = sums.get(row.version, 0) + row.messages
    return sums


def contents(room: strongroom.Room, tree: Path, back: Path) -> dict[str, bytes]:
    room.decrypt_tree(tree, back)
    return {str(path.relative_to(back)): path.read_bytes() for path in back.rglob("*") if path.is_file()}


def test_a_tree_moves_to_the_primary_version(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree, context={"tenant": "acme"})
    assert versions(tree) == {1: 42}
    rotate(room)
    planned = room.reencrypt(tree, dry_run=True)
    assert (planned.moved, planned.settled, versions(tree)) == (41, 0, {1: 42})
    result = room.reencrypt(tree, context={"tenant": "acme"}, reason="test")
    assert (result.moved, result.settled, result.plaintext_bytes) == (41, 0, planned.plaintext_bytes)
    assert versions(tree) == {2: 42}
    assert room.verify(tree).files == 41
    assert room.inspect(tree / "large.sr").context == {"strongroom-class": "default", "tenant": "acme"}
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    again = room.reencrypt(tree)
    assert (again.moved, again.settled, again.message_bytes) == (0, 41, 0)
    assert before == {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    assert contents(room, tree, tmp_path / "back")["0/39"] == (source / "0" / "39").read_bytes()
    # an update knows its sources again
    assert room.encrypt_tree(source, tree, resume=True, context={"tenant": "acme"}).resumed == 41


def test_a_file_keeps_class_context_mode_and_time(room, tmp_path) -> None:
    room.classes.create("pii", frame_length=4096)
    (tmp_path / "plain").write_bytes(b"x" * 100_000)
    message = tmp_path / "message.sr"
    room.encrypt_file(tmp_path / "plain", message, data_class="pii", context={"a": "b"})
    message.chmod(0o640)
    os.utime(message, ns=(1, 1_600_000_000_000_000_001))
    key = room.classes.show("pii").key_id
    room.keys.rotate(key)
    (tmp_path / "link").symlink_to("message.sr")
    before = room.inspect(message)
    assert room.reencrypt(tmp_path / "link").moved == 1
    after = room.inspect(message)
    assert (after.key_id, before.key_version, after.key_version) == (key, 1, 2)
    assert (after.data_class, after.context, after.frame_length) == ("pii", before.context, 4096)
    assert after.message_id != before.message_id
    assert (message.stat().st_mode & 0o777, message.stat().st_mtime_ns) == (0o640, 1_600_000_000_000_000_001)
    assert (tmp_path / "link").is_symlink()
    assert room.decrypt(message.read_bytes(), context={"a": "b"}) == b"x" * 100_000
    with pytest.raises(AuthenticationFailed):
        room.reencrypt(message, everything=True, context={"a": "c"})
    assert sorted(path.name for path in tmp_path.glob("*.sr")) == ["message.sr"]


def test_another_suite_and_everything(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    assert room.reencrypt(tree, to_suite=0x0578).moved == 41
    assert {row.suite for row in census(tree).counts} == {0x0578}
    assert room.reencrypt(tree, to_suite=0x0578).moved == 0
    assert room.reencrypt(tree).settled == 41
    assert room.reencrypt(tree, everything=True).moved == 41
    assert {row.suite for row in census(tree).counts} == {0x0478}
    assert room.verify(tree).files == 41
    with pytest.raises(UnsupportedFormat):
        room.reencrypt(tree, to_suite=0x0014)


def test_a_folder_of_files_and_trees(room, source, tmp_path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    room.encrypt_tree(source, folder / "tree")
    room.encrypt_file(source / "large", folder / "one.sr")
    (folder / "text").write_text("no message")
    (folder / "sub").mkdir()
    room.encrypt_file(source / "0" / "3", folder / "sub" / "two.sr")
    damaged = bytearray((folder / "sub" / "two.sr").read_bytes())
    damaged[-1] ^= 1
    (folder / "sub" / "bad.sr").write_bytes(damaged)
    (folder / "loop").symlink_to(folder)
    rotate(room)
    with pytest.raises(PartialFailure) as failed:
        room.reencrypt(folder)
    result = failed.value.result
    assert [path for path, _ in result.failures] == ["sub/bad.sr"]
    assert (result.files, result.moved, result.others) == (44, 43, 1)
    assert versions(folder) == {1: 1, 2: 44}
    assert (folder / "sub" / "bad.sr").read_bytes() == damaged
    with pytest.raises(Misuse, match="re-encrypt the tree"):
        room.reencrypt(folder / "tree" / "large.sr")


def test_messages_with_other_readers_or_of_other_keys_are_refused(room, tmp_path) -> None:
    other = RawAesKeyring("backup", "paper", bytes(32))
    ours = RoomKeyring(room._service, room._request(None))
    context = {"purpose": "test"}
    message = tmp_path / "both.sr"
    message.write_bytes(encrypt_message(b"x", MultiKeyring(ours, [other]), context=context))
    with pytest.raises(UnsupportedFormat, match="backup"):
        room.reencrypt(message)
    assert decrypt_message(message.read_bytes(), other) == b"x"
    message.write_bytes(encrypt_message(b"x", other, context=context))
    with pytest.raises(KeyNotFound, match="backup"):
        room.reencrypt(message)


def test_what_was_left_out_of_the_header_stays_out(room, tmp_path) -> None:
    class Writer(RoomKeyring):
        """A room's keyring that writes the class as a room does."""

    ours = Writer(room._service, room._request(None))
    message = tmp_path / "m.sr"
    from strongroom import crypto

    pairs = {"strongroom-class": "default", "tenant": "acme", "secret": "pair"}
    data_key, edks = ours.generate(32, pairs)
    materials = crypto.EncryptionMaterials(0x0478, data_key, edks, pairs, frame_length=4096, required=["secret"])
    message.write_bytes(crypto.encrypt(materials, b"plaintext"))
    rotate(room)
    with pytest.raises(AuthenticationFailed):
        room.reencrypt(message)
    assert room.reencrypt(message, context={"secret": "pair"}).moved == 1
    assert "secret" not in MessageFile.open(message).header.context
    assert room.decrypt(message.read_bytes(), context={"secret": "pair"}) == b"plaintext"
    with pytest.raises(AuthenticationFailed):
        room.decrypt(message.read_bytes())


def put_into(room: strongroom.Room, version: int, state: KeyState) -> None:
    """Put a version into a state, whatever the lifecycle says."""
    keystore = room._service._keystore

    def decide(snapshot: Snapshot) -> Change:
        record = next(found for found in snapshot.versions.values() if found.version == version)
        step = keystore.history(record.key_id, version)[-1]
        return Change(
            versions=(replace(record, state=state),), history=(replace(step, source=step.target, target=state),)
        )

    keystore.change(decide)


def test_a_compromised_version_is_moved_from_and_not_read(room, source, tmp_path) -> None:
    tree, message = tmp_path / "tree", tmp_path / "message.sr"
    room.encrypt_tree(source, tree)
    old = room.encrypt(b"old")
    message.write_bytes(old)
    rotate(room)
    put_into(room, 1, KeyState.COMPROMISED)
    with strongroom.open(tmp_path / "room", key_file=tmp_path / "key") as fresh:
        with pytest.raises(KeyStateForbids):
            fresh.verify(tree)
        assert fresh.reencrypt(tree).moved == 41
        assert fresh.verify(tree).files == 41
        assert fresh.reencrypt(message).moved == 1
        assert fresh.decrypt(message.read_bytes()) == b"old"
        # the data key that was unwrapped to re-encrypt is still there, and serves nothing else
        with pytest.raises(KeyStateForbids):
            fresh.decrypt(old)


def test_a_suspended_version_stops_it(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    rotate(room)
    put_into(room, 1, KeyState.SUSPENDED)
    with strongroom.open(tmp_path / "room", key_file=tmp_path / "key") as fresh, pytest.raises(KeyStateForbids):
        fresh.reencrypt(tree)
    assert versions(tree) == {1: 42}
    assert not (tree / ".strongroom" / "journal").exists()


def test_readers_throughout(room, source, tmp_path) -> None:
    """Whole trees are verified and single files decrypted while the tree moves, again and again."""
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    stop, failures, reads = threading.Event(), [], [0, 0]

    def verifying() -> None:
        while not stop.is_set():
            try:
                assert room.verify(tree).files == 41
                reads[0] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                failures.append(error)

    def decrypting() -> None:
        wanted = (source / "large").read_bytes()
        while not stop.is_set():
            try:
                assert room.decrypt((tree / "large.sr").read_bytes()) == wanted
                with room.open(tree / "0" / "39.sr") as file:
                    assert len(file.read()) == 39 * 301
                reads[1] += 1
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a failure
                failures.append(error)

    readers = [threading.Thread(target=verifying), threading.Thread(target=decrypting)]
    for reader in readers:
        reader.start()
    for _ in range(10):
        rotate(room)
        assert room.reencrypt(tree).moved == 41
    stop.set()
    for reader in readers:
        reader.join()
    assert failures == []
    assert min(reads) > 3


def test_it_can_be_cancelled_and_gone_on_with(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    rotate(room)

    async def cancelled() -> None:
        job = asyncio.create_task(room.areencrypt(tree, rate=1 << 20))
        await asyncio.sleep(0.2)
        job.cancel()
        with pytest.raises((asyncio.CancelledError, Cancelled)):
            await job

    start = time.monotonic()
    asyncio.run(cancelled())
    assert time.monotonic() - start < 5
    assert room.verify(tree).files == 41
    assert 1 in versions(tree)
    assert room.reencrypt(tree).files == 41
    assert set(versions(tree)) == {2}


def jobs(room: strongroom.Room) -> list[dict[str, object]]:
    """What the audit log says of whole re-encryptions."""
    return [entry for entry in trail(room.home) if str(entry["event"]).startswith("reencryption-")]


def test_the_log_says_when_a_job_begins_and_how_it_ends(room, source, tmp_path) -> None:
    room.classes.create("pii", reason="test")
    tree, file = tmp_path / "all" / "tree", tmp_path / "all" / "file.sr"
    (tmp_path / "all").mkdir()
    room.encrypt_tree(source, tree)
    room.encrypt_file(source / "large", file, data_class="pii")
    (tmp_path / "all" / "others").write_bytes(b"no message")
    for key in room.keys.list():
        room.keys.rotate(key.id, reason="test")
    room.reencrypt(tmp_path / "all", dry_run=True)
    with pytest.raises(Misuse):
        room.reencrypt(tree / "0")
    assert jobs(room) == []
    result = room.acting_as(principal="bob", purpose="rotation").reencrypt(tmp_path / "all", reason="yearly")
    started, ended = jobs(room)
    place = f"{os.uname().nodename}:{tmp_path / 'all'}"
    for entry in (started, ended):
        assert (entry["principal"], entry["purpose"], entry["reason"]) == ("bob", "rotation", "yearly")
        assert (entry["job"], entry["place"], entry["request"]) == (started["job"], place, started["request"])
    assert (started["suite"], started["everything"]) == (None, False)
    assert ended["outcome"] == "done"
    assert {ended[name] for name in ("settled", "failed", "resumed", "more")} == {0}
    assert (ended["messages"], ended["bytes"]) == (result.moved, result.plaintext_bytes) == (42, result.plaintext_bytes)
    of_class = {key.data_class: key.id for key in room.keys.list()}
    keys = {entry["data_class"]: entry for entry in ended["keys"]}
    assert set(keys) == {"default", "pii"}
    for name, entry in keys.items():
        assert (entry["from_key_id"], entry["from_version"]) == (of_class[name], 1)
        assert (entry["key_id"], entry["version"]) == (of_class[name], 2)
    assert keys["pii"]["messages"] == 1
    assert 9 << 20 <= keys["pii"]["bytes"] < 10 << 20
    # the manifest as well, and what was noted on the way to it
    assert keys["default"]["messages"] > 41
    # its leases name the same request
    leases = [entry for entry in trail(room.home) if entry["event"] == "lease-opened"]
    assert sum(entry["request"] == started["request"] for entry in leases) >= 4
    # nothing is left to do
    room.reencrypt(tmp_path / "all", to_suite=0x0478)
    *_, started, ended = jobs(room)
    assert (started["suite"], ended["outcome"], ended["messages"]) == (0x0478, "done", 0)
    assert (ended["settled"], ended["keys"]) == (42, [])


def test_the_log_says_what_became_of_a_job_that_failed(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    room.encrypt_file(source / "large", tmp_path / "file.sr")
    rotate(room)
    for path in (tree / "0" / "39.sr", tmp_path / "file.sr"):
        message = bytearray(path.read_bytes())
        message[-1] ^= 1
        path.write_bytes(message)
    with pytest.raises(PartialFailure):
        room.reencrypt(tree)
    *_, ended = jobs(room)
    assert (ended["outcome"], ended["messages"], ended["failed"]) == ("partial", 40, 1)
    with pytest.raises(AuthenticationFailed):
        room.reencrypt(tmp_path / "file.sr")
    *_, ended = jobs(room)
    assert (ended["outcome"], ended["messages"], ended["bytes"]) == ("authentication", 0, 0)
    with pytest.raises(FileNotFoundError):
        room.reencrypt(tmp_path / "nothing")
    assert jobs(room)[-1]["outcome"] == "os.enoent"


def test_the_log_says_that_a_job_was_cancelled_and_gone_on_with(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    rotate(room)
    control = Control()
    threading.Timer(0.3, control.cancel).start()
    with pytest.raises(Cancelled):
        room.reencrypt(tree, rate=4 << 20, control=control)
    started, cancelled = jobs(room)
    assert (cancelled["job"], cancelled["outcome"]) == (started["job"], "cancelled")
    assert cancelled["messages"] < 41
    assert 0 < cancelled["bytes"] < 9 << 20
    assert (tree / ".strongroom" / "journal").exists()
    room.reencrypt(tree)
    *_, ended = jobs(room)
    assert (ended["outcome"], ended["resumed"], ended["failed"]) == ("done", 1, 0)
    assert ended["messages"] + ended["settled"] == 41
    assert ended["place"] == cancelled["place"]
    assert ended["job"] != cancelled["job"]


def test_an_interrupt_from_the_keyboard_is_told(room, source, tmp_path) -> None:
    room.encrypt_tree(source, tmp_path / "tree")
    rotate(room)
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        room.reencrypt(tmp_path / "tree", rate=2 << 20)
    assert jobs(room)[-1]["outcome"] == "cancelled"


def test_an_entry_has_space_for_a_hundred_key_versions(room, tmp_path, monkeypatch) -> None:
    room.classes.create("scoped", scope_keys=("tenant",), open=True, reason="test")
    folder = tmp_path / "all"
    folder.mkdir()
    for number in range(4):
        (tmp_path / "plain").write_bytes(bytes(number))
        room.encrypt_file(
            tmp_path / "plain", folder / f"{number}.sr", data_class="scoped", context={"tenant": str(number)}
        )
    for key in room.keys.list():
        room.keys.rotate(key.id, reason="test")
    monkeypatch.setattr(reencrypting, "MOST", 3)
    room.reencrypt(folder)
    *_, ended = jobs(room)
    assert (ended["messages"], len(ended["keys"]), ended["more"]) == (4, 3, 1)
    # with a reason that leaves no space they are counted, and the rest is told
    for key in room.keys.list():
        room.keys.rotate(key.id, reason="test")
    room.reencrypt(folder, reason="x" * 64_700)
    *_, ended = jobs(room)
    assert (ended["outcome"], ended["messages"], ended["keys"], ended["more"]) == ("done", 4, [], 4)


def test_no_message_moves_before_the_log_has_it(room, source, tmp_path, monkeypatch) -> None:
    room.encrypt_file(source / "large", tmp_path / "file.sr")
    rotate(room)
    before = (tmp_path / "file.sr").read_bytes()

    def full(*_: object) -> None:
        raise AuditUnavailable("the disk is full")

    monkeypatch.setattr(AuditLog, "record", full)
    with pytest.raises(AuditUnavailable):
        room.reencrypt(tmp_path / "file.sr")
    assert (tmp_path / "file.sr").read_bytes() == before


def test_a_rate_is_kept(room, tmp_path) -> None:
    (tmp_path / "plain").write_bytes(bytes(6 << 20))
    room.encrypt_file(tmp_path / "plain", tmp_path / "m.sr")
    rotate(room)
    control = Control()
    start = time.monotonic()
    room.reencrypt(tmp_path / "m.sr", rate=4 << 20, control=control)
    # the last run need not be waited for
    assert 1.0 < time.monotonic() - start < 10
    assert control.bytes_done == 6 << 20
    with pytest.raises(Misuse, match="rate"):
        room.reencrypt(tmp_path / "m.sr", rate=0)


def strongroom_command(*arguments: object, home: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"STRONGROOM_HOME": str(home / "room"), "STRONGROOM_KEY_FILE": str(home / "key")}
    command = [sys.executable, "-c", "from strongroom.cli import main; main()", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_the_commands(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    rotate(room)
    counted = strongroom_command("census", tree, "--json", "--svg", tmp_path / "ages.svg", home=tmp_path)
    document = json.loads(counted.stdout)
    assert (counted.returncode, document["complete"], document["messages"], document["files"]) == (0, True, 42, 42)
    (row,) = document["counts"]
    assert (row["class"], row["version"], row["messages"], row["suite"]) == ("default", 1, 42, "0478")
    assert (tmp_path / "ages.svg").read_text().startswith("<svg")
    dry = strongroom_command("reencrypt", tree, "--dry-run", home=tmp_path)
    assert "would re-encrypt 41 messages" in dry.stderr
    moved = strongroom_command("reencrypt", tree, "--json", home=tmp_path)
    assert (moved.returncode, json.loads(moved.stdout)["moved"]) == (0, 41), moved.stderr
    assert "under the current key already" in strongroom_command("reencrypt", tree, home=tmp_path).stderr
    (tmp_path / "plain").write_text("x")
    foreign = strongroom_command("reencrypt", tmp_path / "plain", home=tmp_path)
    assert foreign.returncode == 22
    several = strongroom_command("reencrypt", tree, tmp_path / "plain", "--json", home=tmp_path)
    document = json.loads(several.stdout)
    assert (several.returncode, document["settled"], len(document["failures"])) == (3, 41, 1)


def test_data_is_moved_counted_and_its_version_destroyed(room, source, tmp_path) -> None:
    tree = tmp_path / "tree"
    room.encrypt_tree(source, tree)
    key = room.keys.list()[0].id
    rotate(room)
    room.keys.compromise(key, 1, reason="test")
    room.census([tree])
    with pytest.raises(KeyStateForbids, match="42 messages"):
        room.keys.destroy(key, 1, reason="test")
    assert room.reencrypt(tree).moved == 41
    with pytest.raises(KeyStateForbids, match="42 messages"):
        room.keys.destroy(key, 1, reason="test")
    assert strongroom_command("census", tree, home=tmp_path).returncode == 0
    assert room.keys.destroy(key, 1, reason="test").versions[0].state is KeyState.DESTROY_SCHEDULED
    place = f"{os.uname().nodename}:{tree}"
    assert strongroom_command("census", "--forget", place, home=tmp_path).returncode == 0
    assert strongroom_command("census", "--forget", place, home=tmp_path).returncode == 2


def test_a_census_that_could_not_read_all_is_incomplete(room, source, tmp_path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    room.encrypt_file(source / "large", folder / "one.sr")
    field = b"\0\1p\0\1i\xff\xff" + bytes(65_535)
    (folder / "hostile").write_bytes(b"\2\4\x78" + bytes(34) + b"\0\x1e" + field * 30)
    counted = census(folder)
    assert (counted.complete, counted.messages, len(counted.unread)) == (False, 1, 1)
    told = strongroom_command("census", folder, "--json", home=tmp_path)
    assert (told.returncode, json.loads(told.stdout)["complete"]) == (3, False)
    assert "may hold anything" in strongroom_command("census", folder, home=tmp_path).stderr
