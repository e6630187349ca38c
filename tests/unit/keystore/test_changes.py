"""What a change may say, besides states: scopes, metadata, a census, a new version of the root."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from rooms import REQUEST, MadeRoom, copy_of
from strongroom.errors import InternalError, RoomTampered
from strongroom.keys import scope_text
from strongroom.keyservice import EmbeddedKeyService
from strongroom.keystore import CensusRecord, Change, Keystore

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)


@pytest.fixture
def keystore(service: EmbeddedKeyService) -> Keystore:
    return service._keystore


def counted(place: str, key_id: str, version: int, messages: int) -> CensusRecord:
    return CensusRecord(
        place=place, key_id=key_id, version=version, messages=messages, bytes=9, files=messages, taken=NOW
    )


def test_a_census_takes_the_place_of_the_last_one_there(keystore: Keystore, room: MadeRoom) -> None:
    a = (counted("host:/a", "", 0, 5), counted("host:/a", "f" * 32, 1, 5))
    b = (counted("host:/b/1", "", 0, 0),)
    keystore.change(lambda snapshot: Change(census=a, recounted=("host:/a",)))
    keystore.change(lambda snapshot: Change(census=b, recounted=("host:/b/1",)))
    assert set(keystore.snapshot().census) == {*a, *b}
    again = (counted("host:/a", "", 0, 4), counted("host:/a", "e" * 32, 2, 4))
    after = keystore.change(lambda snapshot: Change(census=again, recounted=("host:/a",)))
    assert set(after.census) == {*again, *b}
    assert set(keystore.change(lambda snapshot: Change(recounted=("host:/b/1",))).census) == set(again)
    room.sql("DELETE FROM census WHERE version = 2")
    with pytest.raises(RoomTampered, match=r"census host:/a/e+/2: .*missing"):
        keystore.change(lambda snapshot: Change())


def test_keys_of_scopes(keystore: Keystore) -> None:
    before = keystore.snapshot()
    (key,) = before.keys.values()
    scope = scope_text({"tenant": "acmé", "region": "eu"})
    assert scope == '{"region":"eu","tenant":"acmé"}'
    scoped = replace(key, id="a" * 32, scope=scope, tags={"b": "2", "a": "1"}, owner="ops", contact="pager")
    after = keystore.change(lambda snapshot: Change(keys=(scoped,)))
    assert after.current_key("default", scope) == scoped
    assert after.current_key("default") == key
    assert after.current_key("default", "{}") is None
    described = next(found for found in after.describe().keys if found.id == "a" * 32)
    assert described.scope == {"region": "eu", "tenant": "acmé"}
    assert (described.tags, described.owner, described.contact) == ({"a": "1", "b": "2"}, "ops", "pager")
    with pytest.raises(InternalError, match="both current"):
        keystore.change(lambda snapshot: Change(keys=(replace(scoped, id="b" * 32),)))
    assert keystore.snapshot() == after


def test_a_scoped_class_has_no_key_of_its_own(keystore: Keystore) -> None:
    (data_class,) = keystore.snapshot().classes.values()
    scoped = replace(data_class, name="pii", key_id="", scope_keys=("tenant", "region"), open=True, rotate_every=60)
    assert keystore.change(lambda snapshot: Change(classes=(scoped,))).data_class("pii") == scoped


def test_no_clock_is_behind_what_was_recorded(keystore: Keystore) -> None:
    assert keystore.snapshot().now(NOW) == NOW
    keystore.change(lambda snapshot: Change(census=(counted("host:/a", "", 0, 0),)))
    assert keystore.snapshot().now(NOW - timedelta(days=1)) == NOW
    keystore.change(lambda snapshot: Change(recounted=("host:/a",)))
    assert keystore.snapshot().newest == NOW


def test_the_digest_says_what_is_held_and_not_since_when(room: MadeRoom, keystore: Keystore) -> None:
    first = keystore.snapshot()
    same = keystore.change(lambda snapshot: Change())
    assert (same.epoch, same.digest) == (first.epoch + 1, first.digest)
    copy = MadeRoom(copy_of(room.home, "copy"), room.key_file, room.room_id, "").open()
    assert copy._keystore.snapshot().digest == first.digest
    copy.close()
    (key,) = first.keys.values()
    assert keystore.change(lambda snapshot: Change(keys=(replace(key, owner="x"),))).digest != first.digest


def test_wraps_are_counted_and_limited_by_class(keystore: Keystore) -> None:
    from strongroom.errors import LimitExceeded

    (name,) = keystore.snapshot().versions
    for _ in range(3):
        keystore.take_wrap(*name, 3)
    with pytest.raises(LimitExceeded):
        keystore.take_wrap(*name, 3)
    assert keystore.wraps() == {name: 3}


def test_a_losing_rotation_changes_nothing(room: MadeRoom, service: EmbeddedKeyService) -> None:
    from strongroom.errors import KeyChanged

    key_id = service.describe(REQUEST).keys[0].id
    change = service._keystore.change

    def late(decide):
        other = room.open()
        other.rotate(REQUEST, key_id)
        other.close()
        return change(decide)

    service._keystore.change = late
    with pytest.raises(KeyChanged, match="version 2 is primary"):
        service.rotate(REQUEST, key_id)
    assert service.describe(REQUEST).keys[0].primary == 2
