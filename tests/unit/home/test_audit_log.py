"""The log of a room: which it is, what becomes of the trail that older rooms have, and what a room says when it is not there."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom, copy_of, make_room
from strongroom.audit import entries
from strongroom.audit.proving import check_proof
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AuditTampered, AuditUnavailable, MalformedMessage, Misuse
from strongroom.home import Unlock, auditing, trail
from strongroom.home import log as home_log
from strongroom.keystore.counters import counter_row
from strongroom.keystore.tables import WRAP_COUNTERS

from torture.plain import as_before_logs

if TYPE_CHECKING:
    from pathlib import Path

    from torture.postgres import Server


def upkeep(room: MadeRoom) -> Upkeep:
    return Upkeep(room.home, Unlock(key_file=room.key_file), principal=None, purpose=None)


def used(room: MadeRoom) -> None:
    """A lease, and a rotation."""
    service = room.open()
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()


USED = ("writer-started", "lease-opened", "key-rotated", "writer-stopped")


def events(room: MadeRoom) -> list[str]:
    return [json.loads(line)["event"] for line in room.audit().splitlines()]


# --- rooms of before there were logs -----------------------------------------------------------------------------------


def test_a_plain_trail_becomes_the_beginning_of_a_log(room: MadeRoom) -> None:
    used(room)
    old = as_before_logs(room.home, room.open())
    assert list(entries(room.home / "audit")) == old
    with pytest.raises(AuditUnavailable, match="no log yet"):
        upkeep(room).verify_audit()
    used(room)
    found = list(entries(room.home / "audit"))
    assert found[: len(old)] == old
    assert json.loads(found[len(old)])["carried"] == len(old)
    assert not (room.home / "audit" / "events.jsonl").exists()
    assert upkeep(room).verify_audit().size == len(found)
    assert upkeep(room).reconcile().wrong == ()
    assert upkeep(room).check().wrong == ()


def test_a_plain_trail_becomes_one_with_the_keystore_in_postgresql(postgres: Server, tmp_path: Path) -> None:
    room = make_room(tmp_path, postgres.new_url())
    old = as_before_logs(room.home, room.open())
    used(room)
    assert list(entries(room.home / "audit"))[: len(old)] == old
    assert upkeep(room).verify_audit().size == len(old) + 5
    assert upkeep(room).check().wrong == ()


@pytest.mark.parametrize("step", ["write_private", "adopt", "AuditLog"])
@pytest.mark.parametrize("done", [False, True])
def test_a_crash_while_a_room_gets_its_log(
    room: MadeRoom, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    old = as_before_logs(room.home, room.open())
    real = getattr(home_log, step)

    def crash(*arguments: object, **named: object) -> None:
        if done:
            real(*arguments, **named)
        raise MemoryError

    monkeypatch.setattr(home_log, step, crash)
    with pytest.raises(MemoryError):
        room.open()
    monkeypatch.undo()
    used(room)
    assert list(entries(room.home / "audit"))[: len(old)] == old
    assert events(room).count("log-started") == 1
    assert upkeep(room).reconcile().wrong == ()


# --- which log ---------------------------------------------------------------------------------------------------------


def test_a_room_at_another_place_has_another_log(postgres: Server, tmp_path: Path) -> None:
    room = make_room(tmp_path, postgres.new_url())
    used(room)
    second = MadeRoom(tmp_path / "second", room.key_file, room.room_id, room.recovery_words)
    second.home.mkdir(mode=0o700)
    for name in ("room.json", "root.json"):
        shutil.copy(room.home / name, second.home / name)
    used(second)
    used(room)
    assert events(second) == ["log-started", *USED]
    assert {upkeep(place).verify_audit().size for place in (room, second)} == {11, 5}
    (absent,) = upkeep(room).reconcile().elsewhere
    assert absent.endswith(f":{second.home / 'audit'}")
    found = upkeep(room).reconcile([second.home / "audit"])
    assert (found.wrong, found.entries, found.elsewhere) == ((), 16, ())
    shutil.rmtree(second.home / "audit")
    assert "is missing" in upkeep(room).reconcile().wrong[0]
    with pytest.raises(AuditTampered, match="put it back"):
        second.open()


@pytest.mark.parametrize("name", ["vkey", "checkpoint", "pending"])
def test_a_log_without_one_of_its_files_is_refused(room: MadeRoom, name: str) -> None:
    (room.home / "audit" / name).unlink()
    with pytest.raises(AuditTampered, match="missing"):
        room.open()
    with pytest.raises(AuditTampered):
        upkeep(room).verify_audit()


def test_the_log_of_another_room_is_refused(room: MadeRoom, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = make_room(tmp_path / "b")
    shutil.rmtree(room.home / "audit")
    shutil.copytree(other.home / "audit", room.home / "audit")
    with pytest.raises(AuditTampered, match="not the key of a log of this room"):
        room.open()


def test_a_log_put_back_to_an_earlier_state_is_named(room: MadeRoom) -> None:
    older = copy_of(room.home / "audit", "older")
    used(room)
    shutil.rmtree(room.home / "audit")
    older.rename(room.home / "audit")
    for look in (room.open, upkeep(room).verify_audit, upkeep(room).reconcile):
        with pytest.raises(AuditTampered, match="an older log was put back"):
            look()


def test_a_room_may_be_moved_with_its_log(room: MadeRoom, tmp_path: Path) -> None:
    moved = MadeRoom(room.home.rename(tmp_path / "moved"), room.key_file, room.room_id, room.recovery_words)
    used(moved)
    assert upkeep(moved).verify_audit().size == 7
    assert upkeep(moved).reconcile().wrong == ()
    shutil.rmtree(moved.home / "audit")
    with pytest.raises(AuditTampered, match="missing"):
        moved.open()


def test_a_room_that_is_moved_away_from_its_keystore_keeps_the_old_log_beside(postgres: Server, tmp_path: Path) -> None:
    room = make_room(tmp_path, postgres.new_url())
    moved = MadeRoom(room.home.rename(tmp_path / "moved"), room.key_file, room.room_id, room.recovery_words)
    assert upkeep(moved).reconcile().wrong == ()
    used(moved)
    assert events(moved) == ["log-started", *USED]
    assert upkeep(moved).verify_audit().size == 5
    assert [entry["event"] for entry in trail(moved.home)] == [
        "room-created", "class-created", "key-created", *events(moved),
    ]  # fmt: skip
    found = upkeep(moved).reconcile()
    assert (found.wrong, found.entries, found.elsewhere) == ((), 8, ())


def test_a_copy_of_a_room_has_a_log_of_its_own(postgres: Server, tmp_path: Path) -> None:
    room = make_room(tmp_path, postgres.new_url())
    copied = MadeRoom(copy_of(room.home, "copied"), room.key_file, room.room_id, room.recovery_words)
    used(room)
    used(copied)
    used(room)
    assert events(copied) == ["log-started", *USED]
    assert upkeep(room).verify_audit().size == 11
    (absent,) = upkeep(copied).reconcile().elsewhere
    assert absent.endswith(f":{room.home / 'audit'}")
    assert upkeep(room).reconcile([copied.home / "audit"]).wrong == ()


# --- verified, proved, reconciled --------------------------------------------------------------------------------------


def test_the_public_key_is_enough_to_verify(room: MadeRoom) -> None:
    used(room)
    vkey = (room.home / "audit" / "vkey").read_text()
    found = auditing.verify(room.home, vkey)
    assert (found.size, found.waiting) == (7, 0)
    for wrong in ("", "a+b", vkey.replace("+", "+0", 1), f"x{vkey}"):
        with pytest.raises(Misuse, match="key of a log"):
            auditing.verify(room.home, wrong)


def test_entries_are_proved(room: MadeRoom) -> None:
    used(room)
    lines = room.audit().splitlines()
    number, proof = auditing.prove_entry(room.home, json.loads(lines[3])["id"])
    assert number == 3
    verifier = auditing.own_verifier(room.home)
    assert check_proof(proof, lines[3], verifier)[0] == 3
    with pytest.raises(AuditTampered):
        check_proof(proof, lines[2], verifier)
    with pytest.raises(MalformedMessage):
        check_proof(proof[1:], lines[3], verifier)
    with pytest.raises(Misuse, match="0 to 6"):
        auditing.prove_entry(room.home, 7)
    with pytest.raises(Misuse, match="no entry"):
        auditing.prove_entry(room.home, "0" * 32)


def test_a_change_without_an_entry_is_named(room: MadeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    service = room.open()
    monkeypatch.setattr(service._sink, "send", lambda lines: None)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    found = upkeep(room).reconcile().wrong
    assert len(found) == 2
    assert all("the log has no such entry" in each for each in found)


def test_an_entry_without_a_change_is_named(room: MadeRoom) -> None:
    service = room.open()
    key = service.describe(REQUEST).keys[0].id
    forged = service._keystore
    real = forged.change
    service._keystore.change = lambda decide: (
        service._sink.send([e.line for e in decide(forged.snapshot()).outbox]),
        forged.snapshot(),
    )[1]  # type: ignore[method-assign] # what a forger would do
    service.rotate(REQUEST, key)
    forged.change = real  # type: ignore[method-assign] # as it was
    service.close()
    (found,) = upkeep(room).reconcile().wrong
    assert "the keystore knows nothing of it" in found


def test_an_unlogged_lease_is_named(room: MadeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    service = room.open()
    monkeypatch.setattr(service._sink, "record", lambda event: None)
    lease = service.generate_dek(REQUEST, "default", CONTEXT).lease
    service.close_lease(lease, 1, 1, "closed")
    service.close()
    (found,) = upkeep(room).reconcile().wrong
    assert found == f"lease {lease.id} was closed, and no entry says that it was opened"


def test_more_keys_released_than_counted_are_named(room: MadeRoom) -> None:
    used(room)
    service = room.open()
    (key,) = service.describe(REQUEST).keys
    row = service._keystore._macs.signed(WRAP_COUNTERS, counter_row(key.id, 1, 0))
    service.close()
    room.sql("UPDATE wrap_counters SET reserved = 0, mac = ? WHERE version = 1", row["mac"])
    (found,) = upkeep(room).reconcile().wrong
    assert f"released 1 data keys under key {key.id} version 1" in found
