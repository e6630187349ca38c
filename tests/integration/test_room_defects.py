"""Defects that a room once had, each with the attack or the accident that showed it."""

import errno
import json
import os
import sqlite3
import threading

import pytest
from rooms import audit_lines
from strongroom.errors import KeystoreUnavailable, RoomLocked, RoomTampered, StrongroomError, UnsupportedFormat
from strongroom.home import Unlock, init_room, open_room
from strongroom.model import Request

REQUEST = Request("alice", "test", "a regression test")
CONTEXT = {"strongroom-class": "default"}


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "state"))


@pytest.fixture
def home(tmp_path):
    init_room(tmp_path / "room", make_key_file=tmp_path / "key")
    return tmp_path / "room"


@pytest.fixture
def service(home):
    service = reopen(home)
    yield service
    service.close()


def reopen(home):
    return open_room(home, Unlock(key_file=home.parent / "key"))


def key_id_of(service):
    return service.describe(REQUEST).keys[0].id


def edit(home, statement, values=()):
    database = sqlite3.connect(home / "keystore.db")
    with database:
        rows = database.execute(statement, values).fetchall()
    database.close()
    return rows


@pytest.mark.parametrize("change", ["create_class", "rotate"])
def test_a_change_does_not_sign_an_older_row_that_was_put_back_while_the_room_was_open(home, service, change):
    key_id = key_id_of(service)
    [old] = edit(home, "SELECT * FROM key_versions")
    service.rotate(REQUEST, key_id)
    edit(home, "DELETE FROM key_versions WHERE version = 1")
    edit(home, f"INSERT INTO key_versions VALUES ({', '.join('?' * len(old))})", old)
    with pytest.raises(RoomTampered, match=f"key_versions {key_id}/1"):
        getattr(service, change)(REQUEST, {"create_class": "other", "rotate": key_id}[change])
    with pytest.raises(RoomTampered, match=f"key_versions {key_id}/1"):
        reopen(home)


def test_a_change_does_not_sign_away_a_row_that_was_removed_while_the_room_was_open(home, service):
    key_id = key_id_of(service)
    service.rotate(REQUEST, key_id)
    edit(home, "DELETE FROM key_versions WHERE version = 1")
    with pytest.raises(RoomTampered, match=f"key_versions {key_id}/1: the row is missing"):
        service.create_class(REQUEST, "other")
    assert b"failed" in audit_lines(home)


def test_a_room_is_not_made_where_its_recovery_words_could_not_be_told(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "file" / "state"))
    with pytest.raises(KeystoreUnavailable, match="STRONGROOM_STATE"):
        init_room(tmp_path / "room", make_key_file=tmp_path / "key")
    assert sorted(os.listdir(tmp_path)) == ["file"]


def test_an_interrupt_during_a_sync_does_not_hang_the_others(service, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", interrupted)
        with pytest.raises(KeyboardInterrupt):
            service.generate_dek(REQUEST, "default", CONTEXT)
    other = threading.Thread(target=service.generate_dek, args=(REQUEST, "default", CONTEXT), daemon=True)
    other.start()
    other.join(30)
    assert not other.is_alive()


@pytest.mark.parametrize(
    ("command", "why"),
    [
        (["false"], "status 1"),
        (["true"], "status 0"),
        (["sh", "-c", "echo x; exit 3"], "status 3"),
        (["yes"], "gave no passphrase"),
    ],
)
def test_a_passphrase_command_that_gives_none_is_named_and_never_waited_for(home, command, why):
    with pytest.raises(RoomLocked, match=f"{command[0]!r}.*{why}"):
        open_room(home, Unlock(passphrase_command=command))


def test_a_new_key_file_may_be_the_one_that_the_environment_names(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_KEY_FILE", str(tmp_path / "key"))
    init_room(tmp_path / "room", Unlock(prompt=False), make_key_file=tmp_path / "key")
    open_room(tmp_path / "room").close()


def test_a_full_disk_is_told_with_the_file_that_it_had_no_space_for(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left") as caught:
        init_room(tmp_path / "room", make_key_file=tmp_path / "key")
    assert caught.value.filename.endswith("root.json")
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


DAMAGE = [
    lambda entry: entry["parameters"].pop("salt"),
    lambda entry: entry["parameters"].update(salt="zz"),
    lambda entry: entry["parameters"].pop("kdf"),
    lambda entry: entry["parameters"].update(kdf="argon2id"),
    lambda entry: entry["parameters"].update(kdf="argon2id", memory_kib=-5, passes=1, lanes=1),
    lambda entry: entry["parameters"].update(kdf="argon2id", memory_kib=0, passes=0, lanes=0),
    lambda entry: entry.update(parameters=[]),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_of_the_sealed_root_is_named(home, damage):
    change_root(home, damage)
    with pytest.raises(RoomTampered, match=r"root\.json"):
        reopen(home)


@pytest.mark.parametrize("cost", [{"memory_kib": 2**40}, {"passes": 10**6}, {"lanes": 10**6}])
def test_a_forged_root_asks_for_no_endless_work(home, cost):
    change_root(
        home,
        lambda entry: entry["parameters"].update(
            {"kdf": "argon2id", "memory_kib": 64, "passes": 1, "lanes": 1, **cost}
        ),
    )
    with pytest.raises(UnsupportedFormat):
        reopen(home)


def change_root(home, damage):
    document = json.loads((home / "root.json").read_bytes())
    damage(document["entries"][0])
    (home / "root.json").write_text(json.dumps(document))


@pytest.mark.parametrize("name", ["root.json", "room.json"])
def test_any_byte_of_a_file_changed_gives_an_error_of_ours_or_none(home, name):
    whole = (home / name).read_bytes()
    for at in range(len(whole)):
        (home / name).write_bytes(whole[:at] + bytes([b'0x"{ }\n\xff'[at % 8]]) + whole[at + 1 :])
        try:
            reopen(home).close()
        except StrongroomError:
            continue
