"""Moves of key versions: what each state does to data keys, who is asked, and what is left behind."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.errors import AccessDenied, KeyChanged, KeyNotFound, KeyStateForbids, Misuse
from strongroom.keys import Operation, Task
from strongroom.keyservice import About, EmbeddedKeyService, desk
from strongroom.keystore import CensusRecord, Change
from strongroom.model import KeyState, Request
from strongroom.policy import OwnerPolicy

DAY = timedelta(days=1)
SILENT = Request("alice", "test", "")


class Clock:
    """The wall clock, which a test can set."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(desk, "utc_now", clock)
    return clock


@pytest.fixture
def key_id(service: EmbeddedKeyService) -> str:
    return service.describe(REQUEST).keys[0].id


def states(service: EmbeddedKeyService, key_id: str) -> list[str]:
    return [str(version.state) for version in service.key(REQUEST, key_id).versions]


def count(service: EmbeddedKeyService, key_id: str, messages: int, *, place: str = "host:/data") -> None:
    """A census of a place that found so many messages under version 1."""
    now = desk.utc_now()
    rows = [("", 0, messages)] + ([(key_id, 1, messages)] if messages else [])
    census = tuple(
        CensusRecord(place=place, key_id=of, version=n, messages=m, bytes=m, files=m, taken=now) for of, n, m in rows
    )
    service._keystore.change(lambda snapshot: Change(census=census, recounted=(place,)))


def works(service: EmbeddedKeyService, edk: object) -> set[str]:
    """What a key does now."""
    done = set()
    for name, call in (
        ("encrypt", lambda: service.generate_dek(REQUEST, "default", CONTEXT)),
        ("decrypt", lambda: service.unwrap_dek(REQUEST, [edk], CONTEXT)),
        ("reencrypt", lambda: service.unwrap_dek(REQUEST, [edk], CONTEXT, operation=Operation.REENCRYPT)),
    ):
        try:
            call()
        except KeyStateForbids:
            continue
        done.add(name)
    return done


def test_what_each_state_does(service: EmbeddedKeyService, key_id: str) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    assert works(service, edk) == {"encrypt", "decrypt", "reencrypt"}
    assert service.suspend(REQUEST, key_id, 1).primary == 0
    assert works(service, edk) == set()
    assert service.resume(REQUEST, key_id, 1).primary == 1
    assert works(service, edk) == {"encrypt", "decrypt", "reencrypt"}
    service.deactivate(REQUEST, key_id, 1)
    assert works(service, edk) == {"decrypt", "reencrypt"}
    service.compromise(REQUEST, key_id, 1)
    assert works(service, edk) == {"reencrypt"}
    service.rotate(REQUEST, key_id)
    assert works(service, edk) == {"encrypt", "reencrypt"}
    count(service, key_id, 0)
    service.destroy(REQUEST, key_id, 1)
    assert works(service, edk) == {"encrypt"}
    service.restore(REQUEST, key_id, 1)
    assert works(service, edk) == {"encrypt", "reencrypt"}
    assert states(service, key_id) == ["COMPROMISED", "ACTIVE"]


def test_every_edge_is_in_the_history_and_in_the_trail(
    room: MadeRoom, service: EmbeddedKeyService, key_id: str, clock: Clock
) -> None:
    service.suspend(Request("bob", "incident", "odd reads"), key_id, 1)
    service.resume(REQUEST, key_id, 1)
    service.rotate(REQUEST, key_id)
    clock.ahead = timedelta(seconds=301)
    service.describe(REQUEST)
    service.compromise(REQUEST, key_id, 1)
    history = service.history(REQUEST, key_id)
    assert [(step.version, step.edge) for step in history] == [
        (1, 1),
        (1, 4),
        (1, 7),
        (1, 11),
        (1, 8),
        (1, 14),
        (2, 1),
        (2, 4),
    ]
    suspended, by_clock = history[2], history[4]
    assert (suspended.principal, suspended.purpose, suspended.reason) == ("bob", "incident", "odd reads")
    assert (by_clock.actor, by_clock.principal, by_clock.reason) == ("clock", "clock", "the last lease on it has ended")
    entries = {entry["id"]: entry for entry in map(json.loads, room.audit().splitlines())}
    for step in history:
        told = entries[step.event_id]
        assert step.edge in (told.get("edges") or [told["edge"]])
        assert (told["key_id"], told["version"]) == (key_id, step.version)
        assert told["reason"] == step.reason


def test_a_rotation_takes_the_version_that_was_prepared(service: EmbeddedKeyService, key_id: str, clock: Clock) -> None:
    date = clock() + 10 * DAY
    prepared = service.rotate(REQUEST, key_id, activates=date)
    assert (prepared.primary, states(service, key_id)) == (1, ["ACTIVE", "PRE_ACTIVE"])
    with pytest.raises(KeyStateForbids, match="version 2 waiting already"):
        service.rotate(REQUEST, key_id, activates=date)
    assert service.rotate(REQUEST, key_id).primary == 2
    assert states(service, key_id) == ["ACTIVE", "ACTIVE"]
    with pytest.raises(Misuse, match="in the future"):
        service.rotate(REQUEST, key_id, activates=clock() - DAY)


def test_an_activation_date_comes_by_itself_and_does_not_go(
    service: EmbeddedKeyService, key_id: str, clock: Clock
) -> None:
    service.rotate(REQUEST, key_id, activates=clock() + 10 * DAY)
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.version == 1
    clock.ahead = 10 * DAY + timedelta(seconds=1)
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.version == 2
    clock.ahead = -10 * DAY
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.version == 2
    assert service.history(REQUEST, key_id)[-1].actor == "clock"


def test_a_key_that_waits_takes_over_when_it_becomes_active(
    service: EmbeddedKeyService, key_id: str, clock: Clock
) -> None:
    later = service.create_key(REQUEST, "default", activates=clock() + DAY)
    assert (later.primary, later.current, later.versions[0].state) == (0, False, "PRE_ACTIVE")
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.key_id == key_id
    activated = service.activate(REQUEST, later.id)
    assert (activated.primary, activated.current) == (1, True)
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.key_id == later.id
    assert not service.key(REQUEST, key_id).current
    with pytest.raises(KeyStateForbids, match="no version that waits"):
        service.activate(REQUEST, later.id)


def test_the_loser_of_two_rotations_is_told(room: MadeRoom, service: EmbeddedKeyService, key_id: str) -> None:
    other = room.open()
    try:
        service.rotate(REQUEST, key_id, expected=1)
        with pytest.raises(KeyChanged, match="version 2 is primary"):
            other.rotate(REQUEST, key_id, expected=1)
    finally:
        other.close()
    assert len(service.key(REQUEST, key_id).versions) == 2


def test_a_compromised_primary_gets_a_successor_in_the_same_change(service: EmbeddedKeyService, key_id: str) -> None:
    epoch = service._keystore.snapshot().epoch
    key = service.compromise(REQUEST, key_id, 1, rotate=True)
    assert (key.primary, [v.state for v in key.versions]) == (2, ["COMPROMISED", "ACTIVE"])
    assert service._keystore.snapshot().epoch == epoch + 1
    assert service.compromise(REQUEST, key_id, 2).primary == 0
    with pytest.raises(KeyStateForbids, match="version 2 is COMPROMISED: it may not encrypt"):
        service.generate_dek(REQUEST, "default", CONTEXT)


def test_a_version_that_was_rotated_away_while_suspended_resumes_as_deactivated(
    service: EmbeddedKeyService, key_id: str, clock: Clock
) -> None:
    service.suspend(REQUEST, key_id, 1)
    service.rotate(REQUEST, key_id)
    clock.ahead = timedelta(seconds=301)
    assert states(service, key_id) == ["SUSPENDED", "ACTIVE"], "nothing happens to what is suspended"
    service.resume(REQUEST, key_id, 1)
    assert states(service, key_id) == ["DEACTIVATED", "ACTIVE"]
    assert service.history(REQUEST, key_id)[3].edge == 12


def test_destruction_wants_a_census_that_is_fresh_and_zero(
    service: EmbeddedKeyService, key_id: str, clock: Clock
) -> None:
    service.rotate(REQUEST, key_id)
    service.deactivate(REQUEST, key_id, 1)
    with pytest.raises(KeyStateForbids, match="nobody has counted"):
        service.destroy(REQUEST, key_id, 1)
    count(service, key_id, 3)
    with pytest.raises(KeyStateForbids, match="3 messages at host:/data"):
        service.destroy(REQUEST, key_id, 1)
    count(service, key_id, 0)
    clock.ahead = 7 * DAY + timedelta(minutes=1)
    count(service, key_id, 0, place="host:/other")
    with pytest.raises(KeyStateForbids, match="last census of host:/data is too old"):
        service.destroy(REQUEST, key_id, 1)
    count(service, key_id, 0)
    assert service.destroy(REQUEST, key_id, 1).versions[0].state == "DESTROY_SCHEDULED"


def test_destruction_waits_and_is_done_by_the_scheduler_only(
    service: EmbeddedKeyService, key_id: str, clock: Clock
) -> None:
    service.rotate(REQUEST, key_id)
    service.deactivate(REQUEST, key_id, 1)
    count(service, key_id, 0)
    with pytest.raises(Misuse, match="waits 2592000 seconds at least"):
        service.destroy(REQUEST, key_id, 1, wait=5)
    service.destroy(REQUEST, key_id, 1)
    clock.ahead = 31 * DAY
    assert states(service, key_id)[0] == "DESTROY_SCHEDULED", "reading destroys nothing"
    (task,) = service.due(REQUEST, timedelta(0))
    assert (task.task, task.version, task.overdue) == (Task.DESTROY, 1, True)
    done, failed = service.do_due(REQUEST, frozenset(Task))
    assert not done
    assert "too old" in str(failed[0][1]), "it is counted again before it goes"
    count(service, key_id, 0)
    done, failed = service.do_due(REQUEST, frozenset({Task.ROTATE}))
    assert not done, "a rotation destroys nothing"
    done, failed = service.do_due(REQUEST, frozenset(Task))
    assert ([d.task for d in done], failed) == ([Task.DESTROY], ())
    record = service._keystore.snapshot().version(key_id, 1)
    assert (record.state, record.wrapped_kek) == (KeyState.DESTROYED, None)
    assert service.history(REQUEST, key_id)[4].edge == 13
    marked = service.compromise(REQUEST, key_id, 1).versions[0]
    assert (marked.state, marked.compromised) == ("DESTROYED", True)
    for move in (service.restore, service.destroy, service.resume, service.compromise):
        with pytest.raises(KeyStateForbids):
            move(REQUEST, key_id, 1)


def test_what_was_never_active_is_destroyed_at_once(service: EmbeddedKeyService, key_id: str, clock: Clock) -> None:
    service.rotate(REQUEST, key_id, activates=clock() + DAY)
    assert service.destroy(REQUEST, key_id, 2).versions[1].state == "DESTROYED"
    assert service.rotate(REQUEST, key_id).primary == 3


def test_rotation_is_due_by_age_by_use_and_after_a_compromise(
    service: EmbeddedKeyService, key_id: str, clock: Clock
) -> None:
    assert service.due(REQUEST, 365 * DAY) == ()
    service.set_class(REQUEST, "default", rotate_every=90 * 86_400)
    (task,) = service.due(REQUEST, 365 * DAY)
    assert (task.task, task.why, task.overdue) == (Task.ROTATE, "its age", False)
    assert service.do_due(REQUEST, frozenset(Task)) == ((), ())
    clock.ahead = 90 * DAY
    assert [done.version for done in service.do_due(REQUEST, frozenset(Task))[0]] == [1]
    assert service.key(REQUEST, key_id).primary == 2
    service.set_class(REQUEST, "default", max_wraps=100)
    service.generate_dek(REQUEST, "default", CONTEXT)
    (task,) = service.due(REQUEST, timedelta(0))
    assert "64 data keys of at most 100" in task.why
    service.compromise(REQUEST, key_id, 2)
    service.do_due(REQUEST, frozenset({Task.ROTATE}))
    assert service.key(REQUEST, key_id).primary == 3


def test_periods_end_encryption_and_decryption(service: EmbeddedKeyService, key_id: str, clock: Clock) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    service.set_class(REQUEST, "default", originator_usage=86_400, recipient_usage=10 * 86_400)
    clock.ahead = DAY
    with pytest.raises(KeyStateForbids, match="end of its originator-usage period: rotate"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    assert states(service, key_id) == ["ACTIVE"], "until the last lease on it has ended"
    clock.ahead = DAY + timedelta(seconds=301)
    assert states(service, key_id) == ["DEACTIVATED"]
    assert works(service, edk) == {"decrypt", "reencrypt"}
    assert [done.task for done in service.do_due(REQUEST, frozenset(Task))[0]] == [Task.ROTATE]
    clock.ahead = 10 * DAY
    assert "decrypt" not in works(service, edk)
    assert "reencrypt" in works(service, edk)


def test_a_version_wraps_no_more_than_its_class_says(service: EmbeddedKeyService) -> None:
    from strongroom.errors import LimitExceeded

    service.set_class(REQUEST, "default", max_wraps=3)
    for _ in range(3):
        service.generate_dek(REQUEST, "default", CONTEXT)
    with pytest.raises(LimitExceeded, match="rotate it"):
        service.generate_dek(REQUEST, "default", CONTEXT)


def test_scopes(service: EmbeddedKeyService) -> None:
    made = service.create_class(REQUEST, "orders", scope_keys=("tenant",))
    assert made.key_id == ""
    acme = CONTEXT | {"strongroom-class": "orders", "tenant": "acme"}
    with pytest.raises(KeyNotFound, match=r'"acme".*not registered'):
        service.generate_dek(REQUEST, "orders", acme)
    with pytest.raises(Misuse, match="lacks tenant"):
        service.generate_dek(REQUEST, "orders", {"strongroom-class": "orders"})
    key = service.create_key(REQUEST, "orders", scope={"tenant": "acme"}, replacing=False)
    assert key.scope == {"tenant": "acme"}
    with pytest.raises(Misuse, match="registered already"):
        service.create_key(REQUEST, "orders", scope={"tenant": "acme"}, replacing=False)
    other = service.create_key(REQUEST, "orders", scope={"tenant": "other"}, replacing=False)
    assert service.generate_dek(REQUEST, "orders", acme).lease.key_id == key.id
    service.suspend(REQUEST, key.id, 1)
    with pytest.raises(KeyStateForbids):
        service.generate_dek(REQUEST, "orders", acme)
    assert service.generate_dek(REQUEST, "orders", acme | {"tenant": "other"}).lease.key_id == other.id
    with pytest.raises(Misuse, match="keeps its scope keys"):
        service.set_class(REQUEST, "orders", scope_keys=("region",))


def test_an_open_class_makes_a_key_on_first_use(room: MadeRoom, service: EmbeddedKeyService) -> None:
    service.create_class(REQUEST, "logs", scope_keys=("tenant", "region"), open=True)
    context = {"strongroom-class": "logs", "tenant": "acme", "region": "eu", "job": "7"}
    first = service.generate_dek(REQUEST, "logs", context).lease
    assert service.generate_dek(REQUEST, "logs", context).lease.key_id == first.key_id
    assert service.key(REQUEST, first.key_id).scope == {"region": "eu", "tenant": "acme"}
    assert b'"scope":{"region":"eu","tenant":"acme"}' in room.audit()


@pytest.mark.parametrize(
    "settings",
    [
        {"open": True},
        {"destroy_wait": 3600},
        {"rotate_every": 200, "originator_usage": 100},
        {"originator_usage": 200, "recipient_usage": 100},
        {"max_wraps": 2**32},
        {"scope_keys": ("strongroom-class",)},
        {"colour": 1},
    ],
)
def test_what_no_class_can_be(service: EmbeddedKeyService, settings: dict[str, object]) -> None:
    with pytest.raises(Misuse):
        service.create_class(REQUEST, "x", **settings)
    with pytest.raises(Misuse):
        service.set_class(REQUEST, "default", **settings)


def test_what_people_want_to_know(room: MadeRoom, service: EmbeddedKeyService, key_id: str) -> None:
    about = About(owner="data team", contact="+49 30 1", tags={"tier": "1"})
    key = service.set_key(REQUEST, key_id, about)
    assert (key.owner, key.contact, key.description, key.tags) == ("data team", "+49 30 1", "", {"tier": "1"})
    epoch = service._keystore.snapshot().epoch
    assert service.set_key(REQUEST, key_id, about) == key
    assert service._keystore.snapshot().epoch == epoch, "what changes nothing is no change"
    assert b'"changed":["contact","owner","tags"]' in room.audit()
    with pytest.raises(Misuse):
        service.set_key(REQUEST, key_id, About(description="x" * 5000))


def test_a_stranger_may_make_no_move(service: EmbeddedKeyService, key_id: str) -> None:
    service._policy = OwnerPolicy("owner", "stranger")
    for call in (
        lambda: service.activate(REQUEST, key_id),
        lambda: service.suspend(REQUEST, key_id, 1),
        lambda: service.resume(REQUEST, key_id, 1),
        lambda: service.deactivate(REQUEST, key_id, 1),
        lambda: service.compromise(REQUEST, key_id, 1),
        lambda: service.destroy(REQUEST, key_id, 1),
        lambda: service.restore(REQUEST, key_id, 1),
        lambda: service.set_key(REQUEST, key_id, About(owner="me")),
        lambda: service.set_class(REQUEST, "default", rotate_every=1),
        lambda: service.due(REQUEST, DAY),
        lambda: service.key(REQUEST, key_id),
        lambda: service.history(REQUEST, key_id),
    ):
        with pytest.raises(AccessDenied):
            call()


def test_a_move_wants_a_reason_and_a_key_that_exists(service: EmbeddedKeyService, key_id: str) -> None:
    with pytest.raises(Misuse, match="reason"):
        service.suspend(SILENT, key_id, 1)
    with pytest.raises(KeyNotFound):
        service.suspend(REQUEST, key_id, 2)
    with pytest.raises(KeyNotFound):
        service.suspend(REQUEST, "0" * 32, 1)
    assert states(service, key_id) == ["ACTIVE"]
