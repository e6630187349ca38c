"""The keystore as a whole: examined, moved between databases, brought to a newer format."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import strongroom
from rooms import CONTEXT, REQUEST, MadeRoom, Server, make_room
from strongroom.client.upkeep import Upkeep
from strongroom.errors import (
    AccessDenied,
    KeystoreMoved,
    KeystoreUnavailable,
    Misuse,
    RoomOutdated,
    RoomTampered,
    TargetExists,
)
from strongroom.home import Unlock, opening, reminder, upkeep
from strongroom.keystore import moving, upgrading

FORMAT1 = Path(__file__).parent / "format1"


def upkeep_of(room: MadeRoom) -> Upkeep:
    return strongroom.upkeep(room.home, key_file=room.key_file, principal="alice")


@pytest.fixture
def lived_in(state: Path, tmp_path: Path, keystore_url: str | None) -> MadeRoom:
    """A room on either database, with two classes and a rotated key."""
    room = make_room(tmp_path, keystore_url)
    service = room.open()
    service.create_class(REQUEST, "pii")
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    return room


def url_of(room: MadeRoom) -> str | None:
    return json.loads((room.home / "room.json").read_text()).get("keystore")


def digest(room: MadeRoom) -> str:
    service = room.open()
    try:
        return service._keystore.snapshot().digest
    finally:
        service.close()


# --- check -----------------------------------------------------------------------------------------------------------


def test_a_sound_keystore_is_said_to_be_so(lived_in: MadeRoom) -> None:
    found = upkeep_of(lived_in).check()
    assert found.wrong == ()
    assert found.rows == {
        "classes": 2,
        "keys": 2,
        "key_versions": 3,
        "key_history": 6,
        "wrap_counters": 3,
        "audit_logs": 1,
        "audit_heads": 1,
        "outbox": 0,
    }
    assert (found.epoch, found.digest) == (3, digest(lived_in))


EDITS = [
    (["UPDATE classes SET suite = 1 WHERE name = 'pii'"], ["classes pii: .*changed", "classes pii: .*older"]),
    (["UPDATE key_versions SET state = 'ACTIVE', active_until = 5 WHERE version = 2"], ["/2: .*changed"]),
    (["DELETE FROM audit_logs"], ["audit_logs .*missing"]),
    (["DELETE FROM audit_heads"], ["audit_heads .*missing"]),
    (["UPDATE audit_heads SET size = 0"], ["audit_heads .*changed"]),
    (["DELETE FROM key_history WHERE number = 1 AND version = 2"], ["key_history .*/2/1: .*missing"]),
    (["UPDATE key_history SET reason = 'x' WHERE version = 2"], ["key_history .*/2/1: .*changed"]),
    (["DELETE FROM wrap_counters WHERE version = 2"], ["wrap_counters .*/2: .*missing"]),
    (["UPDATE wrap_counters SET reserved = 0 WHERE reserved > 0"], ["wrap_counters .*changed"]),
    (["UPDATE meta SET owner = 'mallory'"], ["meta 1: .*changed"]),
    (["DELETE FROM classes WHERE name = 'pii'"], ["classes pii: .*missing"]),
    (
        ["DELETE FROM classes WHERE name = 'pii'", "UPDATE keys SET owner = 'm'", "DELETE FROM wrap_counters"],
        ["classes pii: .*missing", "keys .*changed"],
    ),
]


def test_a_list_of_rows_that_nobody_wrote_is_named_with_what_else_is_wrong(room: MadeRoom) -> None:
    room.sql("UPDATE meta SET members = x'00000001ff00000000'")
    edited, listed = upkeep_of(room).check().wrong
    assert edited.startswith("meta 1: ")
    assert "list of rows" in listed
    # a reminder is nothing to fail for: it looks at what nobody has verified
    assert reminder(room.home) is None


@pytest.mark.parametrize(("edits", "patterns"), EDITS)
def test_everything_that_is_wrong_is_named(
    lived_in: MadeRoom, postgres: Server, edits: list[str], patterns: list[str]
) -> None:
    for edit in edits:
        change(lived_in, postgres, edit)
    wrong = upkeep_of(lived_in).check().wrong
    for pattern in patterns:
        assert any(re.search(pattern, line) for line in wrong), wrong


def change(room: MadeRoom, postgres: Server, statement: str) -> None:
    url = url_of(room)
    if url is None:
        room.sql(statement)
    else:
        postgres.sql(statement, url=url)


def test_rows_that_belong_to_nothing_are_named(lived_in: MadeRoom, postgres: Server) -> None:
    change(lived_in, postgres, "UPDATE key_history SET version = 9 WHERE version = 2")
    wrong = upkeep_of(lived_in).check().wrong
    assert any("/9: it belongs to no version" in line for line in wrong)
    assert any("/2/1: the row is missing" in line for line in wrong)


def test_a_keystore_put_back_is_found(room: MadeRoom) -> None:
    before = (room.home / "keystore.db").read_bytes()
    service = room.open()
    service.create_class(REQUEST, "pii")
    service.close()
    (room.home / "keystore.db").write_bytes(before)
    assert any("put back: it is at epoch 1" in line for line in upkeep_of(room).check().wrong)


# --- stats -----------------------------------------------------------------------------------------------------------


def test_stats(lived_in: MadeRoom) -> None:
    found = upkeep_of(lived_in).stats()
    assert (found.classes, found.keys, found.wraps, found.waiting, found.epoch) == (2, 2, 64, 0, 3)
    assert found.versions == {"ACTIVE": 3}
    assert found.place == (url_of(lived_in) or str(lived_in.home / "keystore.db"))


# --- move ------------------------------------------------------------------------------------------------------------


def test_there_and_back_again(state: Path, tmp_path: Path, postgres: Server) -> None:
    room = make_room(tmp_path)
    service = room.open()
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    url, kept = postgres.new_url(), digest(room)
    moved = upkeep_of(room).move(url, reason="more machines")
    assert (moved.source, moved.target, moved.digest) == (str(room.home / "keystore.db"), url, kept)
    with pytest.raises(KeystoreMoved, match="open the room again"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()
    assert (url_of(room), digest(room)) == (url, kept)
    service = room.open()
    service.unwrap_dek(REQUEST, [edk], CONTEXT)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    assert len(service._keystore.history(service.describe(REQUEST).keys[0].id)) == 4
    service.close()
    changed = digest(room)
    assert upkeep_of(room).move(str(room.home / "keystore.db")).digest == changed
    assert (url_of(room), digest(room)) == (None, changed)
    # what was left stays, marked
    assert len(list(room.home.glob("keystore-*.db"))) == 1
    assert postgres.sql("SELECT moved_to FROM meta", url=url) == [("keystore.db",)]
    upkeep_of(room).move(url)
    assert digest(room) == changed
    assert upkeep_of(room).check().wrong == ()
    events = [json.loads(line) for line in room.audit().splitlines()]
    told = [event for event in events if event["event"] == "keystore-moved"]
    assert [event["target"] for event in told] == [url, str(room.home / "keystore.db"), url]
    assert told[0]["reason"] == "more machines"
    assert told[0]["principal"] == "alice"


class Dies(BaseException):
    """As if the process were killed: nothing but transactions is cleaned up."""


def dying(*arguments: object, **named: object) -> None:
    raise Dies


@pytest.mark.parametrize("step", range(5))
def test_a_move_that_dies_leaves_one_keystore_in_force(
    lived_in: MadeRoom, postgres: Server, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    target = str(lived_in.home / "keystore.db") if url_of(lived_in) else postgres.new_url()
    kept = digest(lived_in)
    calls = {
        0: ("strongroom.keystore.migrate.upgrade", dying),
        1: ("strongroom.keystore.moving.seal", after(1, moving.seal)),
        2: ("strongroom.home.upkeep.settle", dying),
        3: ("strongroom.home.upkeep.write_private", dying),
        4: ("strongroom.home.upkeep.deliver", after(1, upkeep.deliver)),
    }
    with monkeypatch.context() as patch:
        patch.setattr(*calls[step])
        with pytest.raises(Dies):
            upkeep_of(lived_in).move(target)
    moved = step >= 2
    service = lived_in.open()
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    assert (str(url_of(lived_in)) == target or url_of(lived_in) is None) if moved else url_of(lived_in) != target
    assert upkeep_of(lived_in).check().wrong == ()
    assert digest(lived_in) != kept
    changed = digest(lived_in)
    if not moved:
        assert upkeep_of(lived_in).move(target).digest == changed
    assert "keystore-moved" in lived_in.audit().decode()


def after(calls: int, real: Callable[..., None]) -> Callable[..., None]:
    """Dies at the call behind so many."""
    left = [calls]

    def called(*arguments: object, **named: object) -> None:
        if left[0] == 0:
            raise Dies
        left[0] -= 1
        real(*arguments, **named)

    return called


def test_nothing_else_is_overwritten(lived_in: MadeRoom, postgres: Server, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = make_room(tmp_path / "other", postgres.new_url())
    with pytest.raises(TargetExists, match="not this room's"):
        upkeep_of(lived_in).move(str(url_of(other)))
    for target, pattern in (("/elsewhere.db", "in PostgreSQL"), ("postgresql://a:b@/c", "pgpass")):
        with pytest.raises(Misuse, match=pattern):
            upkeep_of(lived_in).move(target)
    here = url_of(lived_in) or str(lived_in.home / "keystore.db")
    with pytest.raises(Misuse, match="already"):
        upkeep_of(lived_in).move(here)
    other.open().close()
    lived_in.open().close()


def test_what_a_stranger_changed_is_not_moved(lived_in: MadeRoom, postgres: Server) -> None:
    change(lived_in, postgres, "UPDATE key_history SET reason = 'x' WHERE version = 2 AND number = 1")
    target = str(lived_in.home / "keystore.db") if url_of(lived_in) else postgres.new_url()
    with pytest.raises(RoomTampered, match=r"key_history .*/2/1: .*changed"):
        upkeep_of(lived_in).move(target)
    lived_in.open().close()


def test_a_copy_of_the_room_follows_the_move(state: Path, tmp_path: Path, postgres: Server) -> None:
    """As on another machine, whose room.json nobody has written."""
    first = postgres.new_url()
    room = make_room(tmp_path, first)
    copy = replace(room, home=tmp_path / "copy")
    shutil.copytree(room.home, copy.home)
    second = postgres.new_url()
    upkeep_of(room).move(second)
    assert digest(copy) == digest(room)
    assert url_of(copy) == second
    upkeep_of(room).move(str(room.home / "keystore.db"))
    with pytest.raises(KeystoreUnavailable, match="missing here"):
        copy.open()


# --- upgrade ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def old(state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeRoom:
    """A room of format 1, owned by whoever runs this."""
    shutil.copytree(FORMAT1, tmp_path / "old")
    for path in (tmp_path / "old").rglob("*"):
        path.chmod(0o700 if path.is_dir() else 0o600)
    for module in (upkeep, opening):
        monkeypatch.setattr(module, "os_user_beside", lambda owner: owner)
    home = tmp_path / "old" / "room"
    return MadeRoom(home, tmp_path / "old" / "key", json.loads((home / "room.json").read_text())["room"], "")


def test_a_room_of_format_1_names_the_command(old: MadeRoom) -> None:
    with pytest.raises(RoomOutdated, match="`strongroom keystore upgrade`"):
        old.open()


def test_an_upgrade_loses_nothing(old: MadeRoom) -> None:
    before = {table: old.sql(f"SELECT * FROM {table}") for table in ("classes", "keys", "key_versions")}
    reserved = sorted(old.sql("SELECT key_id, version, reserved FROM wrap_counters"))
    content = (old.home / "keystore.db").read_bytes()
    done = upkeep_of(old).upgrade(reason="a new version")
    assert (done.from_format, done.to_format) == (1, 2)
    assert done.backup.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(done.backup)) as backup:
        assert {table: backup.execute(f"SELECT * FROM {table}").fetchall() for table in before} == before
    assert len(content) <= done.backup.stat().st_size + 8192
    assert upkeep_of(old).check().wrong == ()
    assert sorted(old.sql("SELECT key_id, version, reserved FROM wrap_counters")) == reserved
    assert json.loads((old.home / "room.json").read_text())["format"] == 2
    room = strongroom.open(old.home, key_file=old.key_file)
    assert room.decrypt((old.home.parent / "message-1").read_bytes()) == b"under version 1"
    assert room.decrypt((old.home.parent / "message-3").read_bytes()) == b"under version 3"
    classes = {found.name: found for found in room.classes.list()}
    assert (classes["brief"].lease_seconds, classes["pii"].suite, classes["default"].scope_keys) == (0, 0x0578, ())
    keys = {key.id: key for key in room.keys.list()}
    assert sorted((key.data_class, key.current, key.primary) for key in keys.values()) == [
        ("brief", True, 3),
        ("default", True, 1),
        ("pii", False, 1),
        ("pii", True, 1),
    ]
    assert keys[classes["pii"].key_id].current
    room.encrypt(b"as before", data_class="pii")
    room.close()


def test_what_was_before_has_a_history(old: MadeRoom) -> None:
    upkeep_of(old).upgrade()
    service = old.open()
    key = next(key for key in service.describe(REQUEST).keys if key.data_class == "brief")
    steps = [
        (step.version, step.edge, step.target, step.actor, step.principal) for step in service._keystore.history(key.id)
    ]
    assert steps == [
        (1, 1, "PRE_ACTIVE", "someone", "someone"),
        (1, 4, "ACTIVE", "someone", "someone"),
        (1, 8, "DEACTIVATED", "clock", "someone"),
        (2, 1, "PRE_ACTIVE", "someone", "someone"),
        (2, 4, "ACTIVE", "someone", "someone"),
        # the upgrade has carried it over as it stood; whoever looks first writes down what time has brought
        (2, 8, "DEACTIVATED", "clock", "clock"),
        (3, 1, "PRE_ACTIVE", "someone", "someone"),
        (3, 4, "ACTIVE", "someone", "someone"),
    ]
    (event,) = (json.loads(line) for line in old.audit().splitlines() if b"keystore-upgraded" in line)
    carried = [step for step in service._keystore.history(key.id) if step.principal != "clock"]
    assert {step.event_id for step in carried} == {event["id"]}
    service.close()


def test_a_second_upgrade_does_nothing(old: MadeRoom) -> None:
    upkeep_of(old).upgrade()
    with pytest.raises(Misuse, match="nothing was done"):
        upkeep_of(old).upgrade()


@pytest.mark.parametrize("step", ["copy", "upgrade", "write_change", "seal"])
def test_an_upgrade_that_dies_did_nothing(old: MadeRoom, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    before = old.sql("SELECT * FROM meta")
    with monkeypatch.context() as patch:
        patch.setattr(upgrading, step, dying)
        with pytest.raises(Dies):
            upkeep_of(old).upgrade()
    assert old.sql("SELECT * FROM meta") == before
    upkeep_of(old).upgrade()
    assert upkeep_of(old).check().wrong == ()


@pytest.mark.parametrize(
    "edit",
    [
        "UPDATE key_versions SET state = 'ACTIVE' WHERE version = 1",
        "UPDATE wrap_counters SET reserved = 0",
        "DELETE FROM classes WHERE name = 'pii'",
        "UPDATE meta SET epoch = 2",
    ],
)
def test_what_does_not_verify_is_not_upgraded(old: MadeRoom, edit: str) -> None:
    old.sql(edit)
    before = old.sql("SELECT * FROM key_versions")
    with pytest.raises(RoomTampered):
        upkeep_of(old).upgrade()
    assert old.sql("SELECT * FROM key_versions") == before
    assert not (old.home / upkeep.BACKUP_FILE).exists()


def test_a_stranger_neither_moves_nor_upgrades(old: MadeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep, "os_user_beside", lambda owner: "mallory")
    with pytest.raises(AccessDenied, match="mallory"):
        upkeep_of(old).upgrade()
    assert b'"event":"denied"' in old.audit()
    with pytest.raises(RoomOutdated):
        old.open()


def test_unlock_sources_reach_upkeep(room: MadeRoom) -> None:
    assert Upkeep(room.home, Unlock(key_file=room.key_file), principal=None, purpose=None).check().wrong == ()
