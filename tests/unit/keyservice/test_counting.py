"""The census of each place, and what it says about destruction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from rooms import REQUEST, MadeRoom
from strongroom.errors import AccessDenied, KeyStateForbids, Misuse
from strongroom.model import PlaceCount
from strongroom.policy import OwnerPolicy

if TYPE_CHECKING:
    from strongroom.keyservice import EmbeddedKeyService


@pytest.fixture
def key_id(service: EmbeddedKeyService) -> str:
    return service.describe(REQUEST).keys[0].id


def counted(key_id: str, messages: int, *, place: str = "host:/data", complete: bool = True) -> PlaceCount:
    counts = {(key_id, 1): (messages, messages * 100, messages)} if messages else {}
    return PlaceCount(place=place, taken=datetime.now(UTC), complete=complete, counts=counts)


def test_a_version_goes_when_every_place_says_nothing_is_left(
    service: EmbeddedKeyService, key_id: str, room: MadeRoom
) -> None:
    service.rotate(REQUEST, key_id)
    service.deactivate(REQUEST, key_id, 1)
    service.record_census(REQUEST, counted(key_id, 3))
    service.record_census(REQUEST, counted(key_id, 0, place="host:/other"))
    with pytest.raises(KeyStateForbids, match="3 messages at host:/data"):
        service.destroy(REQUEST, key_id, 1)
    service.record_census(REQUEST, counted(key_id, 0))
    assert service.destroy(REQUEST, key_id, 1).versions[0].state == "DESTROY_SCHEDULED"
    assert room.audit().count(b'"census-taken"') == 3


def test_an_incomplete_census_says_nothing(service: EmbeddedKeyService, key_id: str) -> None:
    service.rotate(REQUEST, key_id)
    service.deactivate(REQUEST, key_id, 1)
    service.record_census(REQUEST, counted(key_id, 0))
    service.record_census(REQUEST, counted(key_id, 0, complete=False))
    with pytest.raises(KeyStateForbids, match="host:/data is too old"):
        service.destroy(REQUEST, key_id, 1)
    service.forget_census(REQUEST, "host:/data")
    with pytest.raises(KeyStateForbids, match="nobody has counted"):
        service.destroy(REQUEST, key_id, 1)
    with pytest.raises(Misuse, match="ever counted"):
        service.forget_census(REQUEST, "host:/data")


@pytest.mark.parametrize(
    ("place", "complete", "left"),
    [("host:/", True, 0), ("host:/data", True, 0), ("host:/dat", True, 3), ("host:/", False, 3), ("other:/", True, 3)],
)
def test_a_whole_count_of_a_directory_replaces_those_of_places_in_it(
    service: EmbeddedKeyService, key_id: str, place: str, complete: bool, left: int
) -> None:
    service.record_census(REQUEST, counted(key_id, 3, place="host:/data/a.sr"))
    service.record_census(REQUEST, counted(key_id, 0, place=place, complete=complete))
    rows = service._keystore.snapshot().census
    assert sum(row.messages for row in rows if row.key_id == key_id) == left


def test_keys_of_other_rooms_are_not_remembered(service: EmbeddedKeyService, key_id: str) -> None:
    strangers = {("f" * 32, version): (1, 1, 1) for version in range(1, 100)}
    service.record_census(
        REQUEST,
        PlaceCount(
            place="host:/data", taken=datetime.now(UTC), complete=True, counts=strangers | {(key_id, 1): (1, 2, 3)}
        ),
    )
    rows = {(row.key_id, row.version): row.messages for row in service._keystore.snapshot().census}
    assert rows == {("", 0): 1, (key_id, 1): 1}


def test_a_stranger_may_not(service: EmbeddedKeyService, key_id: str) -> None:
    service._policy = OwnerPolicy("owner", "stranger")
    with pytest.raises(AccessDenied):
        service.record_census(REQUEST, counted(key_id, 0))
    with pytest.raises(AccessDenied):
        service.forget_census(REQUEST, "host:/data")
