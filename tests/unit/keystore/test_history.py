"""Every edge of a key version is kept, and whoever changes what is kept is found out."""

import re
from dataclasses import replace

import pytest
from rooms import REQUEST, MadeRoom
from strongroom.errors import InternalError, KeyNotFound, RoomTampered
from strongroom.keyservice import EmbeddedKeyService
from strongroom.keystore import Change
from strongroom.model import KeyState

NAME = "key_id || '/' || version || '/' || number"


@pytest.fixture
def rotated(service: EmbeddedKeyService) -> str:
    """The key of a room, with two versions."""
    key_id = service.describe(REQUEST).keys[0].id
    service.rotate(replace(REQUEST, reason="it is \udcfftime\0"), key_id)
    return key_id


def test_creation_and_rotation_are_kept(service: EmbeddedKeyService, rotated: str, room: MadeRoom) -> None:
    history = service._keystore.history(rotated)
    said = [(step.version, step.number, step.edge, step.source, step.target) for step in history]
    assert said == [
        (version, *step) for version in (1, 2) for step in ((1, 1, None, "PRE_ACTIVE"), (2, 4, "PRE_ACTIVE", "ACTIVE"))
    ]
    assert [step.reason for step in history] == ["make a room"] * 2 + ["it is ?time\ufffd"] * 2
    assert history[2].principal == "alice"
    assert history[2].purpose == "test"
    assert f'"id":"{history[2].event_id}"' in room.audit().decode()
    assert history[2:] == service._keystore.history(rotated, 2)


def test_the_histories_of_what_is_not_there(service: EmbeddedKeyService, rotated: str) -> None:
    for key_id, version in (("0" * 32, None), (rotated, 3)):
        with pytest.raises(KeyNotFound):
            service._keystore.history(key_id, version)


EDITS = [
    ("UPDATE key_history SET reason = 'another' WHERE version = 2 AND number = 1", "2/1: .*changed"),
    ("UPDATE key_history SET time = time + 1 WHERE version = 1 AND number = 2", "1/2: .*changed"),
    ("UPDATE key_history SET source = 'ACTIVE' WHERE version = 1 AND number = 1", "1/1: .*changed"),
    ("DELETE FROM key_history WHERE version = 2 AND number = 1", "2/1: .*missing"),
    ("DELETE FROM key_history WHERE version = 2 AND number = 2", "2/2: .*missing"),
    ("DELETE FROM key_history WHERE version = 1", "1/1: .*missing"),
    ("UPDATE key_history SET number = 3 - number + 10 WHERE version = 1", "1/1: .*missing"),
    ("UPDATE key_history SET version = 3 - version + 10", "1/1: .*missing"),
]


@pytest.mark.parametrize(("edit", "pattern"), EDITS)
def test_an_edit_of_a_history_is_named(
    service: EmbeddedKeyService, rotated: str, room: MadeRoom, edit: str, pattern: str
) -> None:
    room.sql(edit)
    with pytest.raises(RoomTampered) as caught:
        service._keystore.history(rotated)
    assert re.search(f"key_history {rotated}/{pattern}", str(caught.value)), str(caught.value)


def test_swapped_rows_of_a_history_are_named(service: EmbeddedKeyService, rotated: str, room: MadeRoom) -> None:
    room.sql("UPDATE key_history SET number = number + 10 WHERE version = 1")
    room.sql("UPDATE key_history SET number = 13 - number WHERE version = 1")
    with pytest.raises(RoomTampered, match=r"/1/1: .*changed"):
        service._keystore.history(rotated)


def test_a_row_added_to_a_history_is_found(service: EmbeddedKeyService, rotated: str, room: MadeRoom) -> None:
    (row,) = room.sql("SELECT * FROM key_history WHERE version = 2 AND number = 2")
    forged = [3 if at == 2 else value for at, value in enumerate(row)]
    room.sql(f"INSERT INTO key_history VALUES ({', '.join('?' * len(row))})", *forged)
    with pytest.raises(RoomTampered, match=r"/2/3: .*changed"):
        service._keystore.history(rotated)


def test_a_row_of_another_time_does_not_pass(service: EmbeddedKeyService, rotated: str, room: MadeRoom) -> None:
    """A whole chain that was ours: the version's own row no longer ends it."""
    room.sql("DELETE FROM key_history WHERE version = 2 AND number = 2")
    room.sql("UPDATE key_versions SET edges = 1 WHERE version = 2")
    with pytest.raises(RoomTampered, match=f"key_versions {rotated}/2: .*changed"):
        room.open()


@pytest.mark.parametrize("state", [KeyState.COMPROMISED, KeyState.PRE_ACTIVE])
def test_no_state_changes_without_an_edge(service: EmbeddedKeyService, rotated: str, state: KeyState) -> None:
    before = service.describe(REQUEST)

    def decide(snapshot):
        return Change(versions=(replace(snapshot.version(rotated, 1), state=state),))

    with pytest.raises(InternalError, match=f"from ACTIVE to {state} without an edge"):
        service._keystore.change(decide)
    assert service.describe(REQUEST) == before


def test_no_edge_without_its_state(service: EmbeddedKeyService, rotated: str) -> None:
    step = replace(service._keystore.history(rotated, 1)[-1], source=KeyState.ACTIVE, target=KeyState.SUSPENDED)
    with pytest.raises(InternalError, match="SUSPENDED"):
        service._keystore.change(lambda snapshot: Change(history=(step,)))
    step = replace(step, source=KeyState.SUSPENDED, target=KeyState.ACTIVE)
    with pytest.raises(InternalError, match="SUSPENDED"):
        service._keystore.change(lambda snapshot: Change(history=(step,)))
