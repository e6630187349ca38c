"""Backups: what is restored is what was, on either database; and nothing that is not whole and ours is believed."""

import json
import os
import shutil
from pathlib import Path

import pytest
from rooms import MadeRoom, audit_lines
from strongroom.client.room import Room
from strongroom.crypto import merkle_check
from strongroom.errors import (
    AccessDenied,
    AuthenticationFailed,
    BadPassphrase,
    RoomExists,
    RoomTampered,
    StrongroomError,
    TargetExists,
    UnsupportedFormat,
)
from strongroom.home import NewWay, Unlock, reminder
from strongroom.recovery import create_backup, restore_backup, verify_backup


@pytest.fixture
def unlock(room: MadeRoom) -> Unlock:
    return Unlock(key_file=room.key_file)


@pytest.fixture
def opened(room: MadeRoom, unlock: Unlock):  # type: ignore[no-untyped-def] # a generator fixture
    with Room(room.home, unlock) as client:
        yield client


@pytest.fixture
def backup(opened: Room, tmp_path: Path) -> Path:
    """Of a room with some classes and versions."""
    opened.classes.create("pii")
    opened.keys.rotate(opened.keys.list()[0].id)
    create_backup(opened, tmp_path / "backup")
    return tmp_path / "backup"


def test_a_room_comes_back_as_it_was(opened: Room, unlock: Unlock, tmp_path: Path) -> None:
    opened.classes.create("pii")
    messages = [opened.encrypt(b"one"), opened.encrypt(b"two", data_class="pii")]
    opened.keys.rotate(opened.keys.list()[0].id)
    messages.append(opened.encrypt(b"three"))
    made = create_backup(opened, tmp_path / "backup", reason="nightly")
    assert (tmp_path / "backup").stat().st_mode & 0o777 == 0o600
    described = opened.keys.list(), opened.classes.list()
    done = restore_backup(tmp_path / "backup", tmp_path / "again", unlock)
    assert (done.state, done.keks, done.room_epoch) == (made.state, 3, made.epoch + 1)
    with Room(tmp_path / "again", unlock) as again:
        assert (again.keys.list(), again.classes.list()) == described
        assert again.decrypt_many(messages) == [b"one", b"two", b"three"]
        assert reminder(tmp_path / "again") is None
        assert create_backup(again, tmp_path / "of the restored").state == made.state


@pytest.mark.parametrize("how", ["key file", "recovery kit", "words"])
def test_each_way_into_the_room_opens_its_backup(room: MadeRoom, backup: Path, tmp_path: Path, how: str) -> None:
    unlock = Unlock(key_file=room.key_file) if how == "key file" else Unlock(recovery_words=room.recovery_words)
    restore_backup(backup, tmp_path / "again", unlock)
    Room(tmp_path / "again", unlock).close()


def test_nothing_else_opens_it(backup: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_bytes(os.urandom(32))
    with pytest.raises(BadPassphrase):
        verify_backup(backup, unlock=Unlock(key_file=other))


def test_a_backup_shows_no_key_and_no_name(room: MadeRoom, opened: Room, backup: Path) -> None:
    content = backup.read_bytes()
    assert b"pii" not in content
    for key in opened.keys.list():
        assert key.id.encode() not in content
    assert room.key_file.read_bytes() not in content


def test_no_altered_backup_is_believed(backup: Path, unlock: Unlock, tmp_path: Path) -> None:
    content = backup.read_bytes()
    places = [*range(0, len(content), 97), len(content) - 1]
    for at in places:
        altered = tmp_path / "altered"
        altered.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        with pytest.raises(StrongroomError):
            verify_backup(altered, unlock=unlock)
    for length in (0, 10, len(content) // 2, len(content) - 1):
        altered.write_bytes(content[:length])
        with pytest.raises(StrongroomError):
            verify_backup(altered, unlock=unlock)
    altered.write_bytes(content + b"\0")
    with pytest.raises(StrongroomError):
        verify_backup(altered, unlock=unlock)


def test_a_message_is_no_backup(opened: Room, unlock: Unlock, tmp_path: Path) -> None:
    (tmp_path / "message").write_bytes(opened.encrypt(b"data"))
    with pytest.raises(UnsupportedFormat, match="not a backup"):
        verify_backup(tmp_path / "message", unlock=unlock)


def test_a_sealed_root_of_another_room_is_refused(opened: Room, backup: Path, unlock: Unlock) -> None:
    content = backup.read_bytes()
    room_id = json.loads((Path(opened.home) / "room.json").read_bytes())["room"].encode()
    backup.write_bytes(content.replace(room_id, b"0" * 32))
    with pytest.raises((BadPassphrase, AuthenticationFailed, RoomTampered)):
        verify_backup(backup, unlock=unlock)


def test_verifying_leaves_nothing_and_is_recorded(
    room: MadeRoom, backup: Path, unlock: Unlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    done = verify_backup(backup, room.home, unlock, reason="drill")
    assert (done.keks, done.recorded) == (3, True)
    assert list(scratch.iterdir()) == []
    [event] = [json.loads(line) for line in room.audit().splitlines() if b"backup-verified" in line]
    assert (event["backup"], event["state"], event["reason"]) == (done.id, done.state, "drill")
    room.open().close()


def test_a_room_reminds_until_its_newest_keys_are_in_a_verified_backup(
    room: MadeRoom, opened: Room, unlock: Unlock, tmp_path: Path
) -> None:
    assert "ever verified" in (reminder(room.home) or "")
    create_backup(opened, tmp_path / "1")
    assert "ever verified" in (reminder(room.home) or "")
    verify_backup(tmp_path / "1", room.home, unlock)
    assert reminder(room.home) is None
    opened.encrypt(b"uses no key change")
    assert reminder(room.home) is None
    opened.keys.rotate(opened.keys.list()[0].id)
    assert "older than the newest change" in (reminder(room.home) or "")
    create_backup(opened, tmp_path / "2")
    verify_backup(tmp_path / "1", room.home, unlock)
    assert "older than the newest change" in (reminder(room.home) or "")
    verify_backup(tmp_path / "2", room.home, unlock)
    assert reminder(room.home) is None
    opened.ways.remove(opened.ways.list()[1].id, force=True)
    assert "what opens this room" in (reminder(room.home) or "")


def test_a_verified_backup_of_another_room_quiets_nobody(
    room: MadeRoom, backup: Path, unlock: Unlock, tmp_path: Path
) -> None:
    assert not verify_backup(backup, tmp_path / "none", unlock).recorded
    assert reminder(room.home) is not None


def test_nothing_is_overwritten(opened: Room, backup: Path, unlock: Unlock, room: MadeRoom, tmp_path: Path) -> None:
    events = room.audit()
    with pytest.raises(TargetExists):
        create_backup(opened, backup)
    assert room.audit() == events
    with pytest.raises(RoomExists):
        restore_backup(backup, room.home, unlock)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").touch()
    for replace in (False, True):
        with pytest.raises(TargetExists):
            restore_backup(backup, tmp_path / "full", unlock, replace=replace)
    assert {path.name for path in tmp_path.iterdir()} == {"room", "key", "backup", "full"}


def test_a_room_is_put_aside_and_older_copies_of_it_are_refused(
    room: MadeRoom, opened: Room, backup: Path, unlock: Unlock
) -> None:
    opened.keys.rotate(opened.keys.list()[0].id)
    opened.close()
    done = restore_backup(backup, room.home, unlock, replace=True)
    assert done.replaced is not None
    assert (done.replaced / "keystore.db").exists()
    # above what this host has seen of the room that is put aside
    assert done.room_epoch == done.epoch + 2
    room.open().close()
    with pytest.raises(RoomTampered, match="put back"):
        Room(done.replaced, unlock)


def test_a_new_owner_is_recorded_and_an_accident_refused(
    room: MadeRoom, backup: Path, unlock: Unlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.recovery.backups.os_user", lambda: "bob")
    monkeypatch.setattr("strongroom.recovery.backups.os_user_beside", lambda _owner: "bob")
    with pytest.raises(AccessDenied, match="--owner bob"):
        restore_backup(backup, tmp_path / "again", unlock)
    assert not (tmp_path / "again").exists()
    done = restore_backup(backup, tmp_path / "again", unlock, owner="bob")
    lines = audit_lines(tmp_path / "again").splitlines()
    restored, owned = map(json.loads, lines)
    assert (restored["event"], restored["backup"], restored["state"]) == ("room-restored", done.id, done.state)
    assert (owned["event"], owned["owner"], owned["previous"]) == (
        "owner-changed",
        "bob",
        json.loads(room.audit().splitlines()[0])["actor"],
    )
    monkeypatch.setattr("strongroom.home.opening.os_user_beside", lambda _owner: "bob")
    with Room(tmp_path / "again", unlock) as again:
        again.encrypt(b"by bob")


def test_the_end_of_the_old_trail_is_in_the_new_one(
    room: MadeRoom, backup: Path, unlock: Unlock, tmp_path: Path
) -> None:
    restore_backup(backup, tmp_path / "again", unlock)
    first = json.loads(audit_lines(tmp_path / "again").splitlines()[0])
    said = first["audit"]
    old = room.audit().splitlines()[: said["size"]]
    root, _ = merkle_check(room.home / "audit", 0, said["size"], [])
    assert root.hex() == said["root"]
    assert f"{said['log']}+" in (room.home / "audit" / "vkey").read_text()
    assert json.loads(old[-1])["event"] == "backup-created"


@pytest.mark.parametrize("where", ["load_keystore", "prove", "move_in"])
def test_a_failed_restore_leaves_nothing_and_takes_no_faith_away(
    room: MadeRoom, backup: Path, unlock: Unlock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr(f"strongroom.recovery.restoring.{where}", broken)
    with pytest.raises(OSError, match="no space"):
        restore_backup(backup, tmp_path / "again", unlock)
    assert {path.name for path in tmp_path.iterdir()} == {"room", "key", "backup"}
    # the room itself is believed as before
    room.open().close()


def test_what_a_crash_left_goes_with_the_next_restore(backup: Path, unlock: Unlock, tmp_path: Path) -> None:
    left = tmp_path / ".again.restore-0123"
    left.mkdir()
    restore_backup(backup, tmp_path / "again", unlock)
    assert not left.exists()


def test_a_backup_from_before_a_root_rotation_opens_with_the_secrets_of_then(
    room: MadeRoom, opened: Room, backup: Path, unlock: Unlock, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    opened.ways.change(opened.ways.list()[0].id, NewWay(make_key_file=new))
    opened.close()
    with Room(room.home, Unlock(key_file=new)) as now:
        now.root.rotate(also=[Unlock(recovery_words=room.recovery_words)])
        create_backup(now, tmp_path / "after")
    with pytest.raises(BadPassphrase):
        verify_backup(tmp_path / "after", unlock=unlock)
    assert verify_backup(tmp_path / "after", room.home, Unlock(key_file=new)).recorded
    assert restore_backup(backup, tmp_path / "then", unlock).room_epoch == 5
    Room(tmp_path / "then", unlock).close()


@pytest.mark.parametrize("damage", ["keystore.db", "root.json", "audit", "everything"])
def test_the_room_may_be_gone_by_any_part(
    room: MadeRoom, opened: Room, unlock: Unlock, tmp_path: Path, damage: str
) -> None:
    message = opened.encrypt(b"data")
    create_backup(opened, tmp_path / "b")
    opened.close()
    gone = room.home if damage == "everything" else room.home / damage
    (shutil.rmtree if gone.is_dir() else Path.unlink)(gone)  # type: ignore[operator]
    done = restore_backup(tmp_path / "b", room.home, unlock, replace=True)
    with Room(done.home, unlock) as again:
        assert again.decrypt(message) == b"data"
