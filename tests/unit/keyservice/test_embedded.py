import json
import os
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.audit import Event, LeaseOpened
from strongroom.crypto import (
    AesWrappingKey,
    DataKey,
    DecryptionMaterials,
    Edk,
    EncryptionMaterials,
    Header,
    decrypt,
    encrypt,
)
from strongroom.errors import (
    AccessDenied,
    AuditUnavailable,
    AuthenticationFailed,
    KeyNotFound,
    KeyStateForbids,
    KeyUnavailable,
    Misuse,
)
from strongroom.keys import Operation
from strongroom.keyservice import EmbeddedKeyService, desk, leases
from strongroom.keystore import Change, Snapshot
from strongroom.model import KeyState, Request
from strongroom.policy import Action, Decision, OwnerPolicy, Resource


class RecordingSink:
    """Keeps events; fails on those whose name stands in `fails`."""

    def __init__(self, *fails: str) -> None:
        self.events: list[Event] = []
        self.fails = fails

    def record(self, event: Event) -> None:
        if event.name in self.fails:
            raise AuditUnavailable("the disk is full")
        self.events.append(event)

    note = record

    def send(self, lines: list[bytes]) -> None:
        for line in lines:
            self.record(SimpleNamespace(**(said := json.loads(line)), name=said["event"]))

    def close(self) -> None:
        pass

    def names(self) -> list[str]:
        return [event.name for event in self.events]


@pytest.fixture
def sink(service: EmbeddedKeyService) -> RecordingSink:
    """Instead of the file, so that its order against releases can be watched."""
    service._sink.close()
    service._sink = RecordingSink()
    return service._sink


def same(a: DataKey, b: DataKey) -> bool:
    """Whether two data keys are the same: a message under one opens under the other."""
    edk = AesWrappingKey(b"k" * 32).wrap(a, "n", "m", {})
    message = encrypt(EncryptionMaterials(0x0478, a, [edk], {}, frame_length=4096), b"x")
    header = Header.parse(message)
    try:
        return decrypt(header, DecryptionMaterials(header, b), message) == b"x"
    except AuthenticationFailed:
        return False


def test_a_generated_key_unwraps_under_its_context(service: EmbeddedKeyService) -> None:
    generated = service.generate_dek(REQUEST, "default", CONTEXT)
    key = service.describe(REQUEST).keys[0]
    assert generated.edk.provider_id == "strongroom"
    assert generated.edk.provider_info[:-20].decode() == f"{key.id}/1"
    assert (generated.lease.key_id, generated.lease.version, generated.lease.seconds) == (key.id, 1, 300)
    unwrapped = service.unwrap_dek(REQUEST, [generated.edk], CONTEXT)
    assert same(generated.data_key, unwrapped.data_key)
    assert not same(generated.data_key, DataKey.generate())
    assert unwrapped.data_class == generated.data_class
    assert unwrapped.lease.id != generated.lease.id


@pytest.mark.parametrize("length", [16, 24, 32])
def test_data_keys_of_every_length(service: EmbeddedKeyService, length: int) -> None:
    assert len(service.generate_dek(REQUEST, "default", CONTEXT, key_length=length).data_key) == length


@pytest.mark.parametrize("context", [{}, {"strongroom-class": "default"}, CONTEXT | {"tenant": "other"}])
def test_another_context_does_not_unwrap(
    service: EmbeddedKeyService, sink: RecordingSink, context: dict[str, str]
) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    with pytest.raises(AuthenticationFailed):
        service.unwrap_dek(REQUEST, [edk], context)
    assert sink.names() == ["lease-opened", "lease-opened", "lease-closed"]
    assert sink.events[-1].outcome == "authentication"


def test_the_entry_is_durable_before_the_key_exists(
    service: EmbeddedKeyService, sink: RecordingSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    monkeypatch.setattr(sink, "record", lambda event: order.append(event.name))

    class Watched:
        @staticmethod
        def generate(length: int) -> DataKey:
            order.append("key")
            return DataKey.generate(length)

    monkeypatch.setattr(leases, "DataKey", Watched)
    service.generate_dek(REQUEST, "default", CONTEXT)
    assert order == ["lease-opened", "key"]


def test_no_record_no_release(service: EmbeddedKeyService, sink: RecordingSink) -> None:
    released = service.generate_dek(REQUEST, "default", CONTEXT)
    sink.fails = ("lease-opened",)
    with pytest.raises(AuditUnavailable):
        service.generate_dek(REQUEST, "default", CONTEXT)
    with pytest.raises(AuditUnavailable):
        service.unwrap_dek(REQUEST, [released.edk], CONTEXT)
    sink.fails = ()
    service.unwrap_dek(REQUEST, [released.edk], CONTEXT)


@pytest.mark.parametrize(
    ("name", "action"), [("key-rotated", "rotate"), ("class-created", "create"), ("key-created", "key")]
)
def test_no_change_takes_effect_before_it_is_recorded(
    service: EmbeddedKeyService, sink: RecordingSink, name: str, action: str
) -> None:
    before = service.describe(REQUEST)
    change = {
        "rotate": lambda: service.rotate(REQUEST, before.keys[0].id),
        "create": lambda: service.create_class(REQUEST, "pii"),
        "key": lambda: service.create_key(REQUEST, "default"),
    }[action]
    sink.fails = (name,)
    for call in (
        change,
        change,
        lambda: service.describe(REQUEST),
        lambda: service.generate_dek(REQUEST, "default", CONTEXT),
    ):
        with pytest.raises(AuditUnavailable):
            call()
    sink.fails = ()
    after = service.describe(REQUEST)
    assert after != before
    told = {"class-created": ["class-created", "key-created"]}.get(name, [name])
    assert sink.names() == told
    assert len(after.keys) + len(after.keys[0].versions) == 3


def test_what_is_recorded_of_a_lease(service: EmbeddedKeyService, room: MadeRoom) -> None:
    lease = service.generate_dek(REQUEST, "default", CONTEXT | {"patient": "Jane Roe"}).lease
    service.close_lease(lease, 3, 1000, "ok")
    opened, closed = (json.loads(line) for line in room.audit().splitlines()[-2:])
    for entry in (opened, closed):
        said = {
            name: entry[name] for name in ("principal", "purpose", "reason", "lease", "key_id", "version", "data_class")
        }
        assert said == {
            "principal": "alice",
            "purpose": "test",
            "reason": "because",
            "lease": lease.id,
            "key_id": lease.key_id,
            "version": 1,
            "data_class": "default",
        }
    assert (closed["messages"], closed["bytes"], closed["outcome"]) == (3, 1000, "ok")
    assert len(opened["context_digest"]) == 64
    assert b"Jane Roe" not in room.audit()
    assert b"because" in room.audit()


def test_a_stranger_is_denied_everything_and_it_is_recorded(service: EmbeddedKeyService, sink: RecordingSink) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    key_id = service.describe(REQUEST).keys[0].id
    service._policy = OwnerPolicy("owner", "stranger")
    calls = [
        lambda: service.generate_dek(REQUEST, "default", CONTEXT),
        lambda: service.unwrap_dek(REQUEST, [edk], CONTEXT),
        lambda: service.unwrap_dek(REQUEST, [edk], CONTEXT, operation=Operation.REENCRYPT),
        lambda: service.current_key(REQUEST, "default", CONTEXT),
        lambda: service.create_class(REQUEST, "pii"),
        lambda: service.create_key(REQUEST, "default"),
        lambda: service.rotate(REQUEST, key_id),
        lambda: service.describe(REQUEST),
    ]
    for call in calls:
        with pytest.raises(AccessDenied, match="stranger"):
            call()
    assert sink.names() == ["lease-opened"] + ["denied"] * len(calls)


def test_an_unknown_class_or_key_is_named(service: EmbeddedKeyService, sink: RecordingSink) -> None:
    with pytest.raises(KeyNotFound, match="'pii'"):
        service.generate_dek(REQUEST, "pii", CONTEXT)
    with pytest.raises(KeyNotFound, match="0" * 32):
        service.rotate(REQUEST, "0" * 32)
    foreign = Edk("strongroom", b"f" * 32 + b"/3" + bytes.fromhex("000000800000000c") + bytes(12), b"x")
    with pytest.raises(KeyNotFound, match="key " + "f" * 32 + "/3"):
        service.unwrap_dek(REQUEST, [foreign], CONTEXT)
    with pytest.raises(KeyNotFound, match="aws-kms"):
        service.unwrap_dek(REQUEST, [Edk("aws-kms", b"arn", b"x")], CONTEXT)
    with pytest.raises(KeyNotFound):
        service.unwrap_dek(REQUEST, [], CONTEXT)
    assert sink.names() == ["failed"] * 5
    assert [event.error for event in sink.events] == ["class.not-found"] + ["key.not-found"] * 4


def test_ours_is_found_among_foreign_edks(service: EmbeddedKeyService) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    foreign = [
        Edk("aws-kms", b"arn", b"x"),
        Edk("strongroom", b"short", b"x"),
        Edk("strongroom", b"f" * 32 + b"/1" + bytes(20), b"x"),
    ]
    service.unwrap_dek(REQUEST, [*foreign, edk], CONTEXT)


def test_rotation_keeps_the_old_version_until_its_leases_end(
    service: EmbeddedKeyService, monkeypatch: pytest.MonkeyPatch, sink: RecordingSink
) -> None:
    old = service.generate_dek(REQUEST, "default", CONTEXT).edk
    key = service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    assert [(v.version, v.state, v.primary) for v in key.versions] == [(1, "ACTIVE", False), (2, "ACTIVE", True)]
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.version == 2
    real = desk.utc_now
    monkeypatch.setattr(desk, "utc_now", lambda: real() + timedelta(seconds=301))
    (key,) = service.describe(REQUEST).keys
    assert [v.state for v in key.versions] == ["DEACTIVATED", "ACTIVE"]
    service.unwrap_dek(REQUEST, [old], CONTEXT)
    told = sink.events[-2]
    assert (told.event, told.edge, told.version, told.principal) == ("key-state-changed", 8, 1, "clock")
    service.rotate(REQUEST, key.id)
    monkeypatch.setattr(desk, "utc_now", real)
    assert [v.state for v in service.describe(REQUEST).keys[0].versions] == ["DEACTIVATED", "ACTIVE", "ACTIVE"]


@pytest.mark.parametrize("state", ["PRE_ACTIVE", "SUSPENDED", "COMPROMISED", "DESTROY_SCHEDULED", "DESTROYED"])
def test_a_state_that_forbids(service: EmbeddedKeyService, sink: RecordingSink, state: str) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    service._keystore.change(lambda snapshot: in_state(service, snapshot, KeyState(state)))
    with pytest.raises(KeyStateForbids, match=f"{state}: it may not encrypt"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    with pytest.raises(KeyStateForbids, match=f"version 1 is {state}: it may not decrypt"):
        service.unwrap_dek(REQUEST, [edk], CONTEXT)
    assert sink.names() == ["lease-opened", "failed", "failed"]


@pytest.mark.parametrize("state", ["ACTIVE", "DEACTIVATED", "COMPROMISED"])
def test_what_may_be_re_encrypted_from(service: EmbeddedKeyService, sink: RecordingSink, state: str) -> None:
    generated = service.generate_dek(REQUEST, "default", CONTEXT)
    put_into(service, state)
    unwrapped = service.unwrap_dek(REQUEST, [generated.edk], CONTEXT, operation=Operation.REENCRYPT)
    assert same(generated.data_key, unwrapped.data_key)
    assert [event.action for event in sink.events] == ["generate-dek", "reencrypt"]


@pytest.mark.parametrize("state", ["PRE_ACTIVE", "SUSPENDED", "DESTROY_SCHEDULED", "DESTROYED"])
def test_what_may_not_be_re_encrypted_from(service: EmbeddedKeyService, state: str) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    put_into(service, state)
    with pytest.raises(KeyStateForbids, match=f"version 1 is {state}: it may not re-encrypt"):
        service.unwrap_dek(REQUEST, [edk], CONTEXT, operation=Operation.REENCRYPT)


def test_who_may_re_encrypt_need_not_read(service: EmbeddedKeyService) -> None:
    class OnlyMoving:
        def decide(self, request: Request, action: Action, resource: Resource) -> Decision:
            return Decision(action in {Action.GENERATE, Action.REENCRYPT}, "by this test")

    service._policy = OnlyMoving()
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    service.unwrap_dek(REQUEST, [edk], CONTEXT, operation=Operation.REENCRYPT)
    with pytest.raises(AccessDenied):
        service.unwrap_dek(REQUEST, [edk], CONTEXT)


def test_the_current_key_is_what_data_keys_are_made_under(service: EmbeddedKeyService) -> None:
    for _ in range(2):
        lease = service.generate_dek(REQUEST, "default", CONTEXT).lease
        name = service.current_key(REQUEST, "default", CONTEXT)
        assert (name.key_id, name.version) == (lease.key_id, lease.version)
        service.rotate(REQUEST, lease.key_id)
    service.create_key(REQUEST, "default")
    assert service.current_key(REQUEST, "default", CONTEXT).key_id != lease.key_id


def put_into(service: EmbeddedKeyService, state: str) -> None:
    """Put every version into a state."""
    service._keystore.change(lambda snapshot: in_state(service, snapshot, KeyState(state)))


def in_state(service: EmbeddedKeyService, snapshot: Snapshot, state: KeyState) -> Change:
    """Every version in a state, whatever the lifecycle says."""
    versions = snapshot.versions.values()
    last = [service._keystore.history(version.key_id, version.version)[-1] for version in versions]
    return Change(
        versions=tuple(replace(version, state=state) for version in versions),
        history=tuple(replace(step, source=step.target, target=state) for step in last),
    )


def test_classes(service: EmbeddedKeyService) -> None:
    made = service.create_class(REQUEST, "pii", suite=0x0578, frame_length=4096, lease_seconds=0, max_messages=1)
    assert (made.suite, made.frame_length, made.lease_seconds, made.max_messages) == (0x0578, 4096, 0, 1)
    assert service.data_class(REQUEST, "pii") == made
    for bad in (
        {"name": "pii"},
        {"name": "P"},
        {"name": "x", "suite": 0x0014},
        {"name": "x", "frame_length": 0},
        {"name": "x", "frame_length": 2**31},
        {"name": "x", "lease_seconds": -1},
        {"name": "x", "max_messages": 0},
        {"name": "x", "max_bytes": 2**61},
    ):
        with pytest.raises(Misuse):
            service.create_class(REQUEST, **bad)


def test_a_new_key_of_a_class_serves_it_and_the_old_still_opens(service: EmbeddedKeyService) -> None:
    old = service.generate_dek(REQUEST, "default", CONTEXT)
    key = service.create_key(REQUEST, "default")
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.key_id == key.id != old.lease.key_id
    service.unwrap_dek(REQUEST, [old.edk], CONTEXT)
    with pytest.raises(KeyNotFound):
        service.create_key(REQUEST, "pii")


def test_a_change_by_another_process_is_seen(room: MadeRoom, service: EmbeddedKeyService) -> None:
    service.generate_dek(REQUEST, "default", CONTEXT)
    other = room.open()
    other.rotate(REQUEST, other.describe(REQUEST).keys[0].id)
    other.close()
    assert service.generate_dek(REQUEST, "default", CONTEXT).lease.version == 2


def test_a_closed_service_does_nothing(room: MadeRoom) -> None:
    service = room.open()
    generated = service.generate_dek(REQUEST, "default", CONTEXT)
    kek = next(iter(service._keks._keks.values()))
    service.close()
    service.close()
    with pytest.raises(KeyUnavailable, match="closed"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    with pytest.raises(KeyUnavailable):
        service.close_lease(generated.lease, 0, 0, "ok")
    with pytest.raises(KeyUnavailable):
        kek.unwrap(generated.edk, "strongroom", "x", CONTEXT)


def test_a_forked_child_has_no_keys_and_the_parent_keeps_its_own(service: EmbeddedKeyService) -> None:
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    child = os.fork()
    if child == 0:
        refused = 0
        for call in (lambda: service.generate_dek(REQUEST, "default", CONTEXT), service._keystore.snapshot):
            try:
                call()
            except KeyUnavailable:
                refused += 1
        service.close()
        os._exit(40 + refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    service.unwrap_dek(REQUEST, [edk], CONTEXT)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)


def test_opened_leases_are_events(service: EmbeddedKeyService, sink: RecordingSink) -> None:
    service.generate_dek(REQUEST, "default", CONTEXT)
    (event,) = sink.events
    assert isinstance(event, LeaseOpened)
    assert (event.max_messages, event.max_bytes, event.seconds) == (2**32, 2**60, 300)
