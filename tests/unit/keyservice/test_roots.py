"""Rotation of the root: no way in is forgotten, no key lost, and a stop at any step leaves a room that opens."""

import json
from contextlib import suppress
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.crypto import Secret
from strongroom.errors import BadPassphrase, KeyUnavailable, Misuse, RoomTampered, StrongroomError
from strongroom.home import NewWay, Unlock, drafted, open_room, resolve
from strongroom.keyservice import EmbeddedKeyService, RootPlan, WayChange
from strongroom.keystore import Keystore
from strongroom.model import RootInfo
from strongroom.providers import RootFile


def rotate(service: EmbeddedKeyService, *unlocks: Unlock, new: tuple[NewWay, ...] = (), **plan: object) -> RootInfo:
    secrets = tuple(pair for unlock in unlocks for pair in resolve(unlock))
    with drafted(new) as drafts:
        return service.rotate_root(REQUEST, RootPlan(secrets, tuple(draft.seal for draft in drafts), **plan))  # type: ignore[arg-type]


def everything(room: MadeRoom) -> tuple[Unlock, Unlock]:
    return Unlock(key_file=room.key_file), Unlock(recovery_words=room.recovery_words)


def opens(room: MadeRoom, unlock: Unlock) -> bool:
    try:
        open_room(room.home, unlock).close()
    except BadPassphrase:
        return False
    return True


def reads(service: EmbeddedKeyService, deks: list[object]) -> None:
    for dek in deks:
        service.unwrap_dek(REQUEST, [dek.edk], CONTEXT)  # type: ignore[attr-defined]


def filled(service: EmbeddedKeyService) -> list[object]:
    """Data keys under some versions and classes."""
    deks: list[object] = [service.generate_dek(REQUEST, "default", CONTEXT)]
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.create_class(REQUEST, "pii")
    deks += [service.generate_dek(REQUEST, name, {**CONTEXT, "strongroom-class": name}) for name in ("default",)]
    return deks


def test_every_key_is_under_the_new_root_and_every_secret_opens_it(room: MadeRoom, service: EmbeddedKeyService) -> None:
    deks = filled(service)
    info = rotate(service, *everything(room))
    assert (info.version, info.keks) == (2, 3)
    reads(service, deks)
    for unlock in everything(room):
        again = open_room(room.home, unlock)
        reads(again, deks)
        assert {v.root_version for key in again.describe(REQUEST).keys for v in key.versions} == {2}
        again.generate_dek(REQUEST, "pii", {**CONTEXT, "strongroom-class": "pii"})
        again.close()
    assert json.loads((room.home / "root.json").read_bytes())["format"] == 1


def test_an_older_root_file_opens_nothing_of_the_keystore(room: MadeRoom, service: EmbeddedKeyService) -> None:
    older = (room.home / "root.json").read_bytes()
    rotate(service, *everything(room))
    (room.home / "root.json").write_bytes(older)
    with pytest.raises(RoomTampered, match="root version 2"):
        room.open()


def test_a_way_that_was_neither_given_nor_dropped_is_named(room: MadeRoom, service: EmbeddedKeyService) -> None:
    before = (room.home / "root.json").read_bytes()
    kit = service.ways(REQUEST)[1].id
    with pytest.raises(Misuse, match=f"recovery-kit {kit}"):
        rotate(service, everything(room)[0])
    with pytest.raises(Misuse, match="no recovery kit would be left"):
        rotate(service, everything(room)[0], drop=(kit,))
    with pytest.raises(Misuse, match="'nobody'"):
        rotate(service, *everything(room), drop=("nobody",))
    with pytest.raises(Misuse, match="no way into the room"):
        rotate(service, drop=tuple(way.id for way in service.ways(REQUEST)), force=True)
    assert (room.home / "root.json").read_bytes() == before
    assert rotate(service, everything(room)[0], drop=(kit,), force=True).version == 2
    assert not opens(room, everything(room)[1])


def test_a_new_kit_takes_the_place_of_a_lost_one(room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path) -> None:
    rotate(service, everything(room)[0], new=(NewWay(make_recovery_file=tmp_path / "kit"),))
    assert opens(room, Unlock(recovery_file=tmp_path / "kit"))
    assert not opens(room, everything(room)[1])


def test_a_quorum_stays_with_all_of_its_shares(room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path) -> None:
    with drafted([NewWay(quorum=(2, 3), share_directory=tmp_path / "shares", label="board")]) as [draft]:
        service.change_ways(REQUEST, WayChange(add=(draft.seal,)))
    shares = sorted((tmp_path / "shares").iterdir())
    with pytest.raises(Misuse, match="all of its 3 shares"):
        rotate(service, *everything(room), Unlock(share_files=shares[:2]))
    info = rotate(service, *everything(room), Unlock(share_files=shares))
    assert [(way.quorum, way.label) for way in info.ways] == [(None, None), (None, None), ((2, 3), "board")]
    assert opens(room, Unlock(share_files=shares[1:]))


def test_who_holds_the_old_root_wraps_nothing_any_more(room: MadeRoom, service: EmbeddedKeyService) -> None:
    other = room.open()
    deks = filled(service)
    reads(other, deks[:1])
    rotate(service, *everything(room))
    # what it has unwrapped before, it may go on to use
    reads(other, deks[:1])
    for act in (
        lambda: other.rotate(REQUEST, other.describe(REQUEST).keys[0].id),
        lambda: other.create_class(REQUEST, "late"),
        lambda: rotate(other, *everything(room)),
        lambda: other.change_ways(REQUEST, WayChange(remove=("00000000",))),
        lambda: other.export(REQUEST),
        lambda: other.generate_dek(REQUEST, "pii", {**CONTEXT, "strongroom-class": "pii"}),
    ):
        with pytest.raises(KeyUnavailable, match="rotated"):
            act()
    other.close()
    reads(service, deks)


@pytest.mark.parametrize(
    "step", ["before the first write", "before the commit", "after the commit", "before the event"]
)
def test_a_stop_at_any_step_leaves_a_room_that_opens(
    room: MadeRoom, service: EmbeddedKeyService, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    deks = filled(service)
    stop_at(step, monkeypatch)
    with suppress(Stopped, StrongroomError):
        rotate(service, *everything(room))
    monkeypatch.undo()
    service._closed = False
    for unlock in everything(room):
        again = open_room(room.home, unlock)
        reads(again, deks)
        again.generate_dek(REQUEST, "default", CONTEXT)
        again.close()
    assert "next" not in json.loads((room.home / "root.json").read_bytes())
    # and the next one goes through
    last = room.open()
    version = last.root(REQUEST).version
    assert version == (2 if step in {"after the commit", "before the event"} else 1)
    assert rotate(last, *everything(room)).version == version + 1
    reads(last, deks)
    last.close()


class Stopped(BaseException):
    """Like a kill: nothing catches it."""


def stop_at(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop at a step of the rotation."""

    def stop(*_: object, **__: object) -> None:
        raise Stopped

    writes = 0
    write = RootFile.write

    def second_write(self: RootFile, document: object) -> None:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise Stopped
        write(self, document)  # type: ignore[arg-type]

    match step:
        case "before the first write":
            monkeypatch.setattr(RootFile, "write", stop)
        case "before the commit":
            monkeypatch.setattr(Keystore, "change", stop)
        case "after the commit":
            monkeypatch.setattr(RootFile, "write", second_write)
        case "before the event":
            monkeypatch.setattr(Keystore, "deliver", stop)


def test_the_rotation_is_in_the_audit_trail(room: MadeRoom, service: EmbeddedKeyService) -> None:
    rotate(service, *everything(room))
    [event] = [json.loads(line) for line in room.audit().splitlines() if b"root-rotated" in line]
    assert (event["root_version"], event["keys"]) == (2, 1)
    assert len(event["added"]) == len(event["removed"]) == 2


def test_a_key_of_another_root_is_not_taken_for_one_of_ours(room: MadeRoom, service: EmbeddedKeyService) -> None:
    with pytest.raises(Misuse, match="key-file"):
        rotate(service, Unlock(recovery_words=Secret.random().recovery_words()))
