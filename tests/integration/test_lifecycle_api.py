"""Keys under their lifecycle through `Room`: what ends at once, what ends with the lease, and what a scheduler does."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
import strongroom
from rooms import audit_lines
from strongroom.errors import KeyNotFound, KeyStateForbids, Misuse, PartialFailure
from strongroom.keyservice import desk
from strongroom.keystore import CensusRecord, Change

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


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


def closed_leases(tmp_path: Path) -> list[str]:
    lines = audit_lines(tmp_path / "home").splitlines()
    return [entry["outcome"] for entry in map(json.loads, lines) if entry["event"] == "lease-closed"]


@pytest.mark.parametrize(("move", "outcome"), [("suspend", "suspended"), ("compromise", "compromised")])
def test_leases_on_what_is_stopped_end_at_once(room: strongroom.Room, tmp_path: Path, move: str, outcome: str) -> None:
    key = room.keys.list()[0]
    message = room.encrypt(b"x")
    room.decrypt(message)
    assert room.cache_stats()["entries"] == 2, "positive control: both would be served from the cache"
    getattr(room.keys, move)(key.id, 1, reason="odd reads")
    assert room.cache_stats()["entries"] == 0
    assert closed_leases(tmp_path) == [outcome, outcome]
    for call in (lambda: room.encrypt(b"x"), lambda: room.decrypt(message)):
        with pytest.raises(KeyStateForbids):
            call()


def test_elsewhere_they_end_with_the_lease(room: strongroom.Room, tmp_path: Path, key_file: Path) -> None:
    with strongroom.open(tmp_path / "home", key_file=key_file) as other:
        message = other.encrypt(b"x")
        room.keys.compromise(room.keys.list()[0].id, 1, reason="stolen")
        other.encrypt(b"this data key is leased already")
        with pytest.raises(KeyStateForbids):
            other.decrypt(message)


def test_leases_on_other_versions_go_on(room: strongroom.Room) -> None:
    key = room.keys.list()[0]
    room.encrypt(b"x", context={"under": "1"})
    room.keys.rotate(key.id, reason="test")
    room.encrypt(b"x", context={"under": "2"})
    room.keys.compromise(key.id, 1, reason="stolen")
    before = room.cache_stats()["hits"]
    room.encrypt(b"x", context={"under": "2"})
    assert (room.cache_stats()["entries"], room.cache_stats()["hits"]) == (1, before + 1)


def test_a_rotation_ends_no_lease(room: strongroom.Room) -> None:
    room.encrypt(b"x")
    room.keys.rotate(room.keys.list()[0].id, reason="test")
    assert room.cache_stats()["entries"] == 1


def test_scopes_keep_tenants_apart(room: strongroom.Room) -> None:
    room.classes.create("orders", scope_keys=["tenant"], reason="test")
    made = room.scopes.register("orders", {"tenant": "acme"}, owner="orders team", tags={"tier": "1"}, reason="test")
    assert (made.owner, made.tags) == ("orders team", {"tier": "1"})
    room.scopes.register("orders", {"tenant": "other"}, reason="test")
    assert [key.scope for key in room.scopes.list("orders")] == [{"tenant": "acme"}, {"tenant": "other"}]
    assert room.scopes.list("default") == []
    messages = [room.encrypt(b"x", data_class="orders", context={"tenant": name}) for name in ("acme", "other")]
    room.keys.compromise(made.id, 1, reason="stolen")
    with pytest.raises(KeyStateForbids):
        room.decrypt(messages[0])
    assert room.decrypt(messages[1]) == b"x"
    with pytest.raises(KeyNotFound, match="not registered"):
        room.encrypt(b"x", data_class="orders", context={"tenant": "acmee"})
    with pytest.raises(Misuse, match="lacks tenant"):
        room.encrypt(b"x", data_class="orders")


def test_a_scheduler_does_what_it_can_and_names_the_rest(
    room: strongroom.Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = room.keys.list()[0]
    room.keys.rotate(key.id, reason="test")
    room.keys.compromise(key.id, 1, reason="stolen")
    taken = datetime.now(UTC)
    count = CensusRecord(place="host:/a", key_id="", version=0, messages=0, bytes=0, files=0, taken=taken)
    room._service._keystore.change(lambda snapshot: Change(census=(count,)))
    room.keys.destroy(key.id, 1, reason="retired")
    room.classes.set("default", rotate_every=86_400, reason="test")
    monkeypatch.setattr(desk, "utc_now", lambda: datetime.now(UTC) + timedelta(days=40))
    assert sorted(str(task.task) for task in room.keys.due()) == ["destroy", "rotate"]
    with pytest.raises(PartialFailure, match="1 of 2 that are due") as failed:
        room.keys.do_due(reason="timer")
    ((name, why),) = failed.value.failures
    assert name == f"destroy {key.id}/1"
    assert "too old" in str(why)
    assert room.keys.show(key.id).primary == 3
    history = room.keys.history(key.id)
    assert {step.reason for step in history if step.version == 3} == {"timer"}
