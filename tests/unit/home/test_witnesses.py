"""A room with witnesses: its settings, what is asked when, and a thief with the root of the room who writes another log."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING

import pytest
from rooms import REQUEST, MadeRoom, make_room
from strongroom.audit import AuditLog, entries
from strongroom.audit.checkpoint import EMPTY
from strongroom.client.room import Room
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AccessDenied, AuditTampered, AuditUnavailable, Misuse, RoomTampered
from strongroom.home import Unlock, auditing, following, opening, unreached
from strongroom.home.log import RoomNotary
from strongroom.keystore import LogHead
from strongroom.policy import Decision
from strongroom.recovery import create_backup, restore_backup

from torture.witness import Witness, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def witness(room: MadeRoom) -> Iterator[Witness]:
    with serving(Witness(logs=[vkey(room)])) as serves:
        yield serves


def vkey(room: MadeRoom) -> str:
    return (room.home / "audit" / "vkey").read_text().strip()


def unlock(room: MadeRoom) -> Unlock:
    return Unlock(key_file=room.key_file)


def upkeep(room: MadeRoom) -> Upkeep:
    return Upkeep(room.home, unlock(room), principal=None, purpose=None)


def with_witness(room: MadeRoom, witness: Witness) -> None:
    with Room(room.home, unlock(room)) as opened:
        opened.settings.add_witness(witness.vkey, witness.url, reason="an auditor asked for it")


def used(room: MadeRoom) -> None:
    with Room(room.home, unlock(room)) as opened:
        opened.encrypt(b"x", reason="a payment to Eve")


def test_settings_are_kept_recorded_and_part_of_the_set(room: MadeRoom, witness: Witness) -> None:
    with Room(room.home, unlock(room)) as opened:
        added = opened.settings.add_witness(witness.vkey, witness.url, reason="an auditor asked for it")
        assert list(opened.settings.witnesses) == [added]
        with pytest.raises(Misuse, match="already"):
            opened.settings.add_witness(witness.vkey, witness.url)
        for wrong in (("", witness.url), (witness.vkey, "http://elsewhere"), (vkey(room), witness.url)):
            with pytest.raises(Misuse):
                opened.settings.add_witness(*wrong)
        with pytest.raises(Misuse, match="no witness"):
            opened.settings.remove_witness("nobody")
    (changed,) = [
        entry for entry in map(json.loads, entries(room.home / "audit")) if entry["event"] == "setting-changed"
    ]
    assert (changed["setting"], changed["reason"]) == ("witnesses", "an auditor asked for it")
    assert changed["value"] == [{"url": witness.url, "vkey": witness.vkey}]
    assert upkeep(room).check().wrong == ()
    assert upkeep(room).reconcile().wrong == ()
    with Room(room.home, unlock(room)) as opened:
        opened.settings.remove_witness(witness.name)
        assert list(opened.settings.witnesses) == []


@pytest.mark.parametrize("edit", ["UPDATE settings SET value = '[]'", "DELETE FROM settings"])
def test_nobody_takes_a_witness_away_behind_the_room_s_back(room: MadeRoom, witness: Witness, edit: str) -> None:
    with_witness(room, witness)
    room.sql(edit)
    with pytest.raises(RoomTampered, match="settings witnesses"):
        room.open()


def test_whom_policy_denies_changes_nothing(room: MadeRoom, witness: Witness, monkeypatch: pytest.MonkeyPatch) -> None:
    service = room.open()
    monkeypatch.setattr(type(service._policy), "decide", lambda *_: Decision(allowed=False, reason="no"))
    for change in (
        lambda: service.forward_to(REQUEST, "unix:///dev/log"),
        lambda: service.remove_witness(REQUEST, "w"),
        lambda: service.settings(REQUEST),
    ):
        with pytest.raises(AccessDenied):
            change()
    service.close()


def test_settings_go_where_the_room_goes(
    room: MadeRoom, witness: Witness, keystore_url: str | None, tmp_path: Path
) -> None:
    (tmp_path / "b").mkdir()
    other = make_room(tmp_path / "b", keystore_url)
    with_witness(other, witness)
    with Room(other.home, unlock(other)) as opened:
        expected = list(opened.settings.witnesses)
    assert [each.vkey for each in expected] == [witness.vkey]
    if keystore_url is not None:
        upkeep(other).move(str(other.home / "keystore.db"))
    with Room(other.home, unlock(other)) as opened:
        assert opened.settings.witnesses == tuple(expected)
        create_backup(opened, tmp_path / "backup")
    restore_backup(tmp_path / "backup", tmp_path / "again", unlock(other))
    with Room(tmp_path / "again", unlock(other)) as again:
        assert again.settings.witnesses == tuple(expected)


def test_witnesses_are_asked_when_a_room_is_closed_and_by_a_command(room: MadeRoom, witness: Witness) -> None:
    with pytest.raises(Misuse, match="no witness"):
        upkeep(room).push()
    with_witness(room, witness)
    assert witness.requests == []
    (standing,) = upkeep(room).standings()
    assert (standing.witness.name, standing.last) == (witness.name, None)
    used(room)
    assert len(witness.requests) == 1
    (standing,) = upkeep(room).standings()
    assert standing.last is not None
    assert standing.last.tree.size == len(list(entries(room.home / "audit")))
    ((_, came),) = upkeep(room).push()
    assert came.tree == standing.last.tree
    found = auditing.verify(room.home, vkey(room))
    assert auditing.verify_witnessed(room.home, found, [witness.vkey])[0].tree.size == found.size


def test_nobody_waits_long_for_a_witness_and_not_again_soon(
    room: MadeRoom, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_witness(room, witness)
    monkeypatch.setattr(following, "PATIENCE", 0.2)
    witness.delay = 1
    start = time.monotonic()
    service = room.open()
    service.generate_dek(REQUEST, "default", {"strongroom-class": "default"})
    service.close()
    assert time.monotonic() - start < 1
    witness.delay, witness.answer = 0, (500, b"")
    monkeypatch.setattr(following, "PATIENCE", 5)
    used(room)
    asked = len(witness.requests)
    used(room)
    assert len(witness.requests) == asked
    assert unreached(room.home) == (f"{witness.name} answered with status 500",)
    witness.answer = None
    upkeep(room).push()
    assert unreached(room.home) == ()


def test_a_room_that_works_for_long_asks_meanwhile(
    room: MadeRoom, witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_witness(room, witness)
    monkeypatch.setattr(following, "EVERY", 4)
    service = room.open()
    for number in range(6):
        service.generate_dek(REQUEST, "default", {"strongroom-class": "default", "n": str(number)})
    end = time.monotonic() + 10
    while not witness.requests and time.monotonic() < end:
        time.sleep(0.01)
    assert witness.requests
    service.close()


# --- a thief of the root --------------------------------------------------------------------------------------------------


class Thief(RoomNotary):
    """Signs with the stolen key, and puts whatever there is into the keystore."""

    def remembered(self):  # type: ignore[no-untyped-def] # as Notary
        return self.tree

    def remember(self, before, after) -> None:  # type: ignore[no-untyped-def] # as Notary
        self.tree = after


def rewrite(room: MadeRoom) -> None:
    """The log of a room, without what is inconvenient, signed by its key, with a head in the keystore that fits."""
    folder = room.home / "audit"
    kept = [entry for entry in entries(folder) if b"a payment to Eve" not in entry]
    service = room.open()
    keystore = service._keystore
    thief = Thief(keystore, room.room_id, opening.identity(folder, room.room_id) or "")
    head = keystore.log_head(thief._log)
    thief.tree = EMPTY
    for name in ("checkpoint", "pending"):
        (folder / name).unlink()
    shutil.rmtree(folder / "tile")
    log = AuditLog(folder, "thief", thief)
    log.send([entry + b"\n" for entry in kept])
    log.close()
    keystore.advance_log(thief._log, head, LogHead(thief.tree.size, thief.tree.root))
    keystore.close()


def test_a_log_rewritten_with_the_stolen_root_is_caught_by_the_witness(room: MadeRoom, witness: Witness) -> None:
    with_witness(room, witness)
    used(room)
    rewrite(room)
    # the control: all that the room has says that this is its log
    found = upkeep(room).verify_audit()
    assert not any(b"a payment to Eve" in entry for entry in entries(room.home / "audit"))
    assert upkeep(room).reconcile().wrong == ()
    with pytest.raises(AuditTampered, match=witness.name):
        auditing.verify_witnessed(room.home, found, [witness.vkey])
    ((_, came),) = upkeep(room).push()
    assert isinstance(came, AuditTampered)
    (problem,) = unreached(room.home)
    assert problem.startswith(f"{witness.name} has seen a")


def test_without_a_witness_nobody_can_tell(room: MadeRoom) -> None:
    used(room)
    rewrite(room)
    upkeep(room).verify_audit()
    assert upkeep(room).reconcile().wrong == ()


def test_a_witness_of_another_room_says_nothing_of_this_one(room: MadeRoom, tmp_path: Path) -> None:
    with serving(Witness()) as stranger:
        with_witness(room, stranger)
        ((_, came),) = upkeep(room).push()
        assert isinstance(came, AuditUnavailable)
        assert "does not know this log" in str(came)
