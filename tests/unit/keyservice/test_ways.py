"""Ways into a room: there always is one that works, every change is recorded, and a crash leaves the old or the new."""

import json
import os
import threading
from pathlib import Path

import pytest
from rooms import REQUEST, MadeRoom
from strongroom.crypto import Secret
from strongroom.errors import AccessDenied, AuditUnavailable, BadPassphrase, Misuse, ProviderUnavailable, TargetExists
from strongroom.home import NewWay, Unlock, drafted, init_room, open_room
from strongroom.keyservice import EmbeddedKeyService, WayChange
from strongroom.model import Way
from strongroom.policy import OwnerPolicy
from strongroom.providers import RootFile


def add(service: EmbeddedKeyService, new: NewWay) -> Way:
    with drafted([new]) as [draft]:
        return service.change_ways(REQUEST, WayChange(add=(draft.seal,)))[-1]


def remove(service: EmbeddedKeyService, way: str, *, force: bool = False) -> None:
    service.change_ways(REQUEST, WayChange(remove=(way,), force=force))


def ids(service: EmbeddedKeyService, kind: str) -> list[str]:
    return [way.id for way in service.ways(REQUEST) if way.kind == kind]


def opens(room: MadeRoom, unlock: Unlock) -> bool:
    try:
        open_room(room.home, unlock).close()
    except BadPassphrase:
        return False
    return True


def test_a_new_room_has_the_ways_that_it_was_made_with(service: EmbeddedKeyService) -> None:
    ways = service.ways(REQUEST)
    assert [way.kind for way in ways] == ["key-file", "recovery-kit"]
    assert all(way.added is not None for way in ways)
    assert len({way.id for way in ways}) == 2


@pytest.mark.parametrize("kind", ["key-file", "given key file", "recovery-kit", "quorum"])
def test_a_way_that_was_added_opens_until_it_is_removed(
    room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path, kind: str
) -> None:
    given = tmp_path / "given"
    Secret.random().write_file(given)
    shares = tmp_path / "shares"
    new, unlock = {
        "key-file": (NewWay(make_key_file=tmp_path / "new"), Unlock(key_file=tmp_path / "new")),
        "given key file": (NewWay(key_file=given), Unlock(key_file=given)),
        "recovery-kit": (NewWay(make_recovery_file=tmp_path / "kit"), Unlock(recovery_file=tmp_path / "kit")),
        "quorum": (
            NewWay(quorum=(2, 3), share_directory=shares, label="board"),
            Unlock(share_files=[shares / "share-3-of-3", shares / "share-1-of-3"]),
        ),
    }[kind]
    way = add(service, new)
    assert opens(room, unlock)
    assert opens(room, Unlock(key_file=room.key_file))
    remove(service, way.id)
    assert not opens(room, unlock)
    assert opens(room, Unlock(key_file=room.key_file))


@pytest.mark.argon2id
def test_a_passphrase_is_changed_in_one_step(room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("correct horse\n")
    new.write_text("battery staple\n")
    way = add(service, NewWay(passphrase_file=old))
    with drafted([NewWay(passphrase_file=new)]) as [draft]:
        service.change_ways(REQUEST, WayChange(add=(draft.seal,), remove=(way.id,)))
    assert not opens(room, Unlock(passphrase="correct horse"))
    assert opens(room, Unlock(passphrase="battery staple"))


def test_the_way_that_opened_the_room_is_not_removed(room: MadeRoom, service: EmbeddedKeyService) -> None:
    [used] = ids(service, "key-file")
    with pytest.raises(Misuse, match="one that stays"):
        remove(service, used)
    kit = Unlock(recovery_words=room.recovery_words)
    by_kit = open_room(room.home, kit)
    remove(by_kit, used)
    by_kit.close()
    assert opens(room, kit)
    assert not opens(room, Unlock(key_file=room.key_file))


def test_the_way_that_opened_the_room_can_be_replaced(
    room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path
) -> None:
    [used] = ids(service, "key-file")
    with drafted([NewWay(make_key_file=tmp_path / "next")]) as [draft]:
        service.change_ways(REQUEST, WayChange(add=(draft.seal,), remove=(used,)))
    assert opens(room, Unlock(key_file=tmp_path / "next"))
    assert not opens(room, Unlock(key_file=room.key_file))


def test_the_last_recovery_kit_wants_a_clear_word(service: EmbeddedKeyService, tmp_path: Path) -> None:
    [kit] = ids(service, "recovery-kit")
    with pytest.raises(Misuse, match="last recovery kit"):
        remove(service, kit)
    shares = add(service, NewWay(quorum=(2, 2), share_directory=tmp_path / "shares"))
    remove(service, kit)
    with pytest.raises(Misuse, match="last recovery kit"):
        remove(service, shares.id)
    remove(service, shares.id, force=True)
    assert [way.kind for way in service.ways(REQUEST)] == ["key-file"]


def test_an_unknown_way_is_named(service: EmbeddedKeyService) -> None:
    with pytest.raises(Misuse, match="'nobody'"):
        remove(service, "nobody")


def test_every_change_is_recorded_before_it_is_made(
    room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    way = add(service, NewWay(make_key_file=tmp_path / "new"))
    remove(service, way.id)
    events = [json.loads(line) for line in room.audit().splitlines()]
    changes = [(event["added"], event["removed"]) for event in events if event["event"] == "unlock-changed"]
    assert changes == [([f"key-file {way.id}"], []), ([], [f"key-file {way.id}"])]
    assert {event["opened_by"] for event in events if event["event"] == "unlock-changed"} == {
        service.ways(REQUEST)[0].id
    }

    def full(*_: object) -> None:
        raise AuditUnavailable("the disk is full")

    before = (room.home / "root.json").read_bytes()
    monkeypatch.setattr(service._sink, "record", full)
    with pytest.raises(AuditUnavailable):
        remove(service, ids(service, "recovery-kit")[0], force=True)
    assert (room.home / "root.json").read_bytes() == before


def test_a_stranger_is_refused_and_nothing_is_left(room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path) -> None:
    service._policy = OwnerPolicy("ada", "mallory")
    before = (room.home / "root.json").read_bytes()
    with pytest.raises(AccessDenied):
        add(service, NewWay(make_key_file=tmp_path / "new"))
    assert not (tmp_path / "new").exists()
    assert (room.home / "root.json").read_bytes() == before


def test_a_file_that_is_there_is_never_replaced(service: EmbeddedKeyService, tmp_path: Path) -> None:
    (tmp_path / "shares").mkdir()
    (tmp_path / "shares" / "share-3-of-3").write_text("mine")
    with pytest.raises(TargetExists):
        add(service, NewWay(quorum=(2, 3), share_directory=tmp_path / "shares"))
    assert [path.name for path in (tmp_path / "shares").iterdir()] == ["share-3-of-3"]
    assert len(service.ways(REQUEST)) == 2


def test_a_file_stays_where_it_is_not_known_whether_the_room_opens_with_it(
    room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_path: Path) -> None:
        raise OSError(5, "no luck")

    monkeypatch.setattr("strongroom.files.sync_directory", broken)
    with pytest.raises(OSError, match="no luck"):
        add(service, NewWay(make_key_file=tmp_path / "new"))
    monkeypatch.undo()
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "state"))
    assert opens(room, Unlock(key_file=tmp_path / "new"))


def test_writers_take_turns(room: MadeRoom, tmp_path: Path) -> None:
    services = [room.open() for _ in range(4)]

    def work(number: int) -> None:
        for turn in range(5):
            add(services[number], NewWay(make_key_file=tmp_path / f"key-{number}-{turn}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(services[0].ways(REQUEST)) == 2 + 4 * 5
    for service in services:
        service.close()
    assert opens(room, Unlock(key_file=tmp_path / "key-3-4"))


def test_a_writer_that_never_ends_is_not_waited_for(room: MadeRoom) -> None:
    file = RootFile(room.home / "root.json", room.room_id)
    with file.alone(), pytest.raises(ProviderUnavailable, match="another process"), file.alone(patience=0.05):
        pass


def test_what_a_crash_left_beside_it_goes_with_the_next_change(
    room: MadeRoom, service: EmbeddedKeyService, tmp_path: Path
) -> None:
    left = room.home / ".root.json.new"
    left.write_bytes(b"half")
    left.chmod(0o600)
    add(service, NewWay(make_key_file=tmp_path / "new"))
    assert not left.exists()
    assert (room.home / "root.json").stat().st_mode & 0o777 == 0o600


def test_a_room_without_a_kit_says_so(tmp_path: Path) -> None:
    made = init_room(tmp_path / "room", make_key_file=tmp_path / "key", recovery=False)
    assert made.recovery_words is None
    service = open_room(made.home, Unlock(key_file=tmp_path / "key"))
    assert [way.kind for way in service.ways(REQUEST)] == ["key-file"]
    service.close()


def test_a_room_can_be_made_for_a_quorum_alone(tmp_path: Path) -> None:
    made = init_room(tmp_path / "room", quorum=(3, 5), share_directory=tmp_path / "shares", recovery=False)
    assert [path.name for path in made.share_files] == [f"share-{number}-of-5" for number in range(1, 6)]
    assert {path.stat().st_mode & 0o777 for path in made.share_files} == {0o600}
    open_room(made.home, Unlock(share_files=made.share_files[1:4])).close()
    with pytest.raises(BadPassphrase, match="takes 3 shares, and 2 were given"):
        open_room(made.home, Unlock(share_files=made.share_files[:2]))


def test_one_new_way_at_a_time(tmp_path: Path) -> None:
    for wrong in (
        {"make_key_file": "a", "key_file": "b"},
        {"quorum": (2, 3)},
        {"share_directory": tmp_path},
        {"recovery": True, "make_recovery_file": "x"},
        {},
    ):
        with pytest.raises(Misuse):
            NewWay(**wrong)
    reader, writer = os.pipe()
    os.write(writer, b"a key of thirty-two bytes or more, from a pipe")
    os.close(writer)
    with drafted([NewWay(passphrase_fd=reader)]) as [draft]:
        assert len(draft.seal.secrets[0]) == 46
    os.close(reader)
