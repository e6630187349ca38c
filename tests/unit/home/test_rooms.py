import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom, make_room
from strongroom.crypto import Secret
from strongroom.errors import (
    BadPassphrase,
    KeystoreUnavailable,
    Misuse,
    RoomExists,
    RoomLocked,
    RoomNotFound,
    RoomTampered,
    RoomUnsafe,
    TargetExists,
    UnsupportedFormat,
)
from strongroom.home import Unlock, default_home, init_room, open_room, read_room_id


def test_who_had_no_name_when_the_room_was_made_owns_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    with monkeypatch.context() as nameless:
        nameless.setattr("pwd.getpwuid", nobody)
        room = make_room(tmp_path)
    service = room.open()
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()


def test_a_keystore_whose_tables_cannot_be_made_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.keystore.migrate.MIGRATIONS", tmp_path / "missing")
    with pytest.raises(KeystoreUnavailable, match="tables"):
        make_room(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_a_crash_left_beside_the_anchor_goes_with_the_next_one(room: MadeRoom, state: Path) -> None:
    left = state / "anchors" / f".{room.room_id}.new"
    left.write_bytes(b"half an anch")
    service = room.open()
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    assert not left.exists()
    room.open().close()


def test_a_room_that_did_not_come_to_be_leaves_no_anchor(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = "0123456789abcdef" * 2
    (tmp_path / f".room.init-{never}").mkdir()
    (state / "anchors").mkdir()
    for name in (never, f"{never}.lock", f".{never}.new"):
        (state / "anchors" / name).touch()
    room = make_room(tmp_path)
    standing = {room.room_id, f"{room.room_id}.lock"}
    assert {path.name for path in (state / "anchors").iterdir()} == standing
    monkeypatch.setattr("pathlib.Path.rename", lambda *_: (_ for _ in ()).throw(OSError(5, "no luck")))
    with pytest.raises(OSError, match="no luck"):
        init_room(tmp_path / "other", make_key_file=tmp_path / "other.key")
    assert {path.name for path in (state / "anchors").iterdir()} == standing


def test_a_new_room_has_one_class_and_one_key(room: MadeRoom) -> None:
    service = room.open()
    described = service.describe(REQUEST)
    assert [c.name for c in described.classes] == ["default"]
    (key,) = described.keys
    assert key.primary == 1
    assert [(v.version, v.state, v.primary) for v in key.versions] == [(1, "ACTIVE", True)]
    assert described.classes[0].key_id == key.id
    service.close()
    events = [json.loads(line)["event"] for line in room.audit().splitlines()]
    assert events == ["room-created", "class-created", "key-created"]


def test_everything_in_it_is_private(room: MadeRoom, tmp_path: Path) -> None:
    assert room.home.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in room.home.rglob("*") if p.is_file()} == {0o600}
    assert room.key_file.stat().st_mode & 0o777 == 0o600
    assert sorted(p.name for p in tmp_path.iterdir()) == ["key", "room"]


@pytest.mark.parametrize("name", [".", "room.json", "root.json", "keystore.db", "audit"])
@pytest.mark.parametrize("bit", [0o040, 0o002])
def test_looser_permissions_are_refused_with_the_command_that_mends_them(room: MadeRoom, name: str, bit: int) -> None:
    path = room.home / name
    path.chmod(path.stat().st_mode | bit)
    with pytest.raises(RoomUnsafe) as caught:
        room.open()
    command = re.search(r"chmod \d+ .*", str(caught.value))
    assert command is not None
    subprocess.run(command[0], shell=True, check=True)
    room.open().close()


def test_a_journal_that_goes_away_is_no_reason_to_refuse(room: MadeRoom) -> None:
    (room.home / "keystore.db-journal").symlink_to("gone")
    room.open().close()


@pytest.mark.argon2id
def test_each_of_passphrase_key_file_and_kit_opens(tmp_path: Path) -> None:
    made = init_room(
        tmp_path / "room",
        Unlock(passphrase="correct horse"),
        make_key_file=tmp_path / "k",
        recovery_file=tmp_path / "r",
    )
    assert made.recovery_words is None
    unlocks = [
        Unlock(passphrase="correct horse"),
        Unlock(key_file=tmp_path / "k"),
        Unlock(recovery_file=tmp_path / "r"),
    ]
    for unlock in unlocks:
        open_room(made.home, unlock).close()
    for wrong in (Unlock(passphrase="wrong"), Unlock(key_file=tmp_path / "r"), Unlock(recovery_file=tmp_path / "k")):
        with pytest.raises(BadPassphrase):
            open_room(made.home, wrong)


def test_the_words_open_a_room_whose_key_file_is_lost(room: MadeRoom) -> None:
    room.key_file.unlink()
    assert len(room.recovery_words.split()) == 24
    open_room(room.home, Unlock(recovery_words=room.recovery_words)).close()
    with pytest.raises(BadPassphrase):
        open_room(room.home, Unlock(recovery_words=Secret.random().recovery_words()))


def test_the_words_do_not_show_in_the_result(tmp_path: Path) -> None:
    made = init_room(tmp_path / "room", make_key_file=tmp_path / "key")
    assert made.recovery_words is not None
    assert made.recovery_words.split()[0] not in repr(made).split()


def test_a_given_key_file_seals_a_new_room(tmp_path: Path) -> None:
    key = tmp_path / "key"
    Secret.random().write_file(str(key))
    made = init_room(tmp_path / "room", Unlock(key_file=key))
    open_room(made.home, Unlock(key_file=key)).close()


def test_no_room_over_something_that_is_there(room: MadeRoom, tmp_path: Path) -> None:
    before = {p: p.read_bytes() for p in room.home.rglob("*") if p.is_file()}
    with pytest.raises(RoomExists):
        init_room(room.home, make_key_file=tmp_path / "key2")
    assert {p: p.read_bytes() for p in room.home.rglob("*") if p.is_file()} == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    with pytest.raises(TargetExists):
        init_room(tmp_path / "full", make_key_file=tmp_path / "key2")
    with pytest.raises(TargetExists):
        init_room(tmp_path / "new", make_key_file=room.key_file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "key", "room"]


def test_an_empty_directory_will_do(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir(mode=0o755)
    init_room(tmp_path / "room", make_key_file=tmp_path / "key")
    assert (tmp_path / "room").stat().st_mode & 0o777 == 0o700


def test_a_failed_kit_leaves_no_room_and_no_key_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="absent"):
        init_room(tmp_path / "room", make_key_file=tmp_path / "key", recovery_file=tmp_path / "absent" / "kit")
    assert list(tmp_path.iterdir()) == []


def test_a_room_needs_something_to_open_it_with(tmp_path: Path) -> None:
    with pytest.raises(RoomLocked):
        init_room(tmp_path / "room")
    with pytest.raises(Misuse):
        init_room(tmp_path / "room", Unlock(passphrase=""))
    assert list(tmp_path.iterdir()) == []


def test_no_room_and_no_unlock_source(room: MadeRoom, tmp_path: Path) -> None:
    with pytest.raises(RoomNotFound, match="strongroom init"):
        open_room(tmp_path / "absent", Unlock(key_file=room.key_file))
    with pytest.raises(RoomNotFound):
        open_room(room.key_file, Unlock(key_file=room.key_file))
    with pytest.raises(RoomLocked):
        open_room(room.home)


def test_a_newer_room_is_refused(room: MadeRoom) -> None:
    path = room.home / "room.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"format": 3}))
    with pytest.raises(UnsupportedFormat, match="format 3"):
        room.open()


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"format": 1, "room": "../x"}', '{"format": 1, "room": 3}'])
def test_a_broken_room_file_is_named(room: MadeRoom, content: str) -> None:
    (room.home / "room.json").write_text(content)
    with pytest.raises(RoomTampered, match=r"room\.json"):
        room.open()


def test_files_of_another_room_do_not_fit(room: MadeRoom, tmp_path: Path) -> None:
    other = init_room(tmp_path / "other", Unlock(key_file=room.key_file))
    shutil.copy(other.home / "root.json", room.home / "root.json")
    with pytest.raises(RoomTampered, match="another room"):
        room.open()
    (room.home / "root.json").unlink()
    with pytest.raises(RoomTampered, match="missing"):
        room.open()


def test_where_rooms_are(monkeypatch: pytest.MonkeyPatch, room: MadeRoom) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_home() == Path("/data/strongroom")
    monkeypatch.setenv("STRONGROOM_HOME", str(room.home))
    assert default_home() == room.home
    monkeypatch.setenv("STRONGROOM_KEY_FILE", str(room.key_file))
    service = open_room()
    assert service.room_id == read_room_id(room.home) == room.room_id
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()
