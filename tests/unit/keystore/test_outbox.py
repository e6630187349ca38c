"""A change and its events are one: the events reach the audit trail before the change is acted upon."""

import json
from collections.abc import Sequence

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.errors import AuditUnavailable, RoomTampered
from strongroom.keyservice import EmbeddedKeyService


def broken(lines: Sequence[bytes]) -> None:
    raise AuditUnavailable("the disk is full")


def rotations(room: MadeRoom) -> list[str]:
    events = map(json.loads, room.audit().splitlines())
    return [event["id"] for event in events if event["event"] == "key-rotated"]


@pytest.fixture
def interrupted(room: MadeRoom, monkeypatch: pytest.MonkeyPatch) -> MadeRoom:
    """A room in which a rotation was committed, and whose process died before the audit trail had it."""
    service = room.open()
    with monkeypatch.context() as patch:
        patch.setattr(service._sink, "send", broken)
        with pytest.raises(AuditUnavailable):
            service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    return room


def test_whoever_comes_next_sends_what_waits(interrupted: MadeRoom) -> None:
    assert rotations(interrupted) == []
    ((waiting,),) = interrupted.sql("SELECT event_id FROM outbox")
    service = interrupted.open()
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.version == 2
    service.close()
    assert rotations(interrupted) == [waiting]
    assert interrupted.sql("SELECT * FROM outbox") == []
    events = [json.loads(line)["event"] for line in interrupted.audit().splitlines()]
    assert events[-4:] == ["writer-started", "key-rotated", "lease-opened", "writer-stopped"]


@pytest.mark.parametrize("call", ["describe", "generate_dek", "unwrap_dek", "rotate", "create_class", "create_key"])
def test_nothing_goes_on_while_the_trail_cannot_be_written(
    interrupted: MadeRoom, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    service = interrupted.open()
    monkeypatch.setattr(service._sink, "send", broken)
    given = {
        "describe": (),
        "generate_dek": ("default", CONTEXT),
        "unwrap_dek": ([], CONTEXT),
        "rotate": ("0" * 32,),
        "create_class": ("pii",),
        "create_key": ("default",),
    }[call]
    with pytest.raises(AuditUnavailable):
        getattr(service, call)(REQUEST, *given)
    service.close()
    assert interrupted.sql("SELECT epoch FROM meta") == [(2,)]


def test_a_crash_between_trail_and_outbox_repeats_the_entry_under_its_id(
    service: EmbeddedKeyService, room: MadeRoom
) -> None:
    keystore, sent = service._keystore, []
    from strongroom.keystore import Change, OutboxEntry

    keystore.change(lambda snapshot: Change(outbox=(OutboxEntry("a" * 32, b"one\n"), OutboxEntry("b" * 32, b"two\n"))))

    def dies(entries: Sequence[OutboxEntry]) -> None:
        sent.extend(entries)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        keystore.deliver(dies)
    assert [entry.line for entry in keystore.pending()] == [b"one\n", b"two\n"]
    keystore.deliver(sent.extend)
    assert sent == [OutboxEntry("a" * 32, b"one\n"), OutboxEntry("b" * 32, b"two\n")] * 2
    assert list(keystore.pending()) == []
    keystore.deliver(broken)


def test_an_event_that_a_stranger_added_or_changed_is_not_sent(interrupted: MadeRoom) -> None:
    interrupted.sql("UPDATE outbox SET line = ?", b"{}\n")
    service = interrupted.open()
    with pytest.raises(RoomTampered, match="outbox"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()
    assert rotations(interrupted) == []
