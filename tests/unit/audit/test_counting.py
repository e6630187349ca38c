import json

from rooms import REQUEST
from strongroom.audit import Denied, Event, Failed, KeyRotated, LeaseClosed, LeaseOpened, MeteredSink, Who
from strongroom.audit.counting import REMEMBERED, Tally
from strongroom.observe import Instrument
from strongroom.observe import instruments as of

WHO = Who.of(REQUEST, "tester")


class Notes:
    """A meter that writes down what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[Instrument, float, dict[str, str]]] = []

    def add(self, instrument: Instrument, amount: float, labels: dict[str, str]) -> None:
        assert set(labels) == set(instrument.labels)
        self.told.append((instrument, amount, labels))

    observe = set = add

    def of(self, instrument: Instrument) -> list[tuple[float, dict[str, str]]]:
        return [(amount, labels) for told, amount, labels in self.told if told is instrument]


class Trail:
    """A sink that keeps lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def record(self, event: Event) -> None:
        self.lines.append(event.line())

    note = record

    def send(self, lines: list[bytes]) -> None:
        self.lines.extend(lines)

    def close(self) -> None:
        pass


def opened(lease: str = "l") -> LeaseOpened:
    return LeaseOpened(
        who=WHO,
        lease=lease,
        action="generate-dek",
        data_class="pii",
        key_id="k",
        version=2,
        context_digest="",
        seconds=300,
        max_messages=1,
        max_bytes=1,
    )


def closed(lease: str = "l") -> LeaseClosed:
    return LeaseClosed(
        who=WHO, lease=lease, data_class="pii", key_id="k", version=2, messages=3, bytes=40, outcome="ok"
    )


def rotated() -> KeyRotated:
    return KeyRotated(who=WHO, data_class="pii", key_id="k", version=2, previous=1, edges=(1, 4))


def test_a_lease_from_its_opening_to_its_end() -> None:
    meter = Notes()
    sink = MeteredSink(Trail(), meter)
    sink.record(opened())
    sink.note(closed())
    version = {"data_class": "pii", "version": "2"}
    assert meter.of(of.DATA_KEYS) == [(1, {**version, "action": "generate-dek"})]
    assert meter.of(of.MESSAGES) == [(3, {**version, "outcome": "ok"})]
    assert meter.of(of.BYTES) == [(40, {**version, "outcome": "ok"})]
    assert meter.of(of.LEASES_CLOSED) == [(1, {**version, "outcome": "ok"})]
    ((lasted, labels),) = meter.of(of.LEASE_SECONDS)
    assert 0 <= lasted < 60
    assert labels == {"data_class": "pii"}
    assert len(meter.of(of.AUDIT_SECONDS)) == 1


def test_a_name_that_a_caller_made_up_is_no_label() -> None:
    meter = Notes()
    sink = MeteredSink(Trail(), meter)
    sink.record(Failed(who=WHO, action="a", data_class="made-up", key_id=None, version=None, error="key.not-found"))
    sink.record(Denied(who=WHO, action="a", data_class="pii", key_id="k", version=1, why="no"))
    assert meter.of(of.FAILURES) == [
        (1, {"data_class": "", "action": "a", "outcome": "key.not-found"}),
        (1, {"data_class": "pii", "action": "a", "outcome": "denied"}),
    ]


def test_a_change_that_comes_twice_is_counted_once() -> None:
    meter, trail = Notes(), Trail()
    sink = MeteredSink(trail, meter)
    change = rotated()
    sink.record(change)
    sink.send([change.line(), rotated().line()])
    assert len(trail.lines) == 3
    assert meter.of(of.CHANGES) == [(1, {"event": "key-rotated"})] * 2


def test_the_trail_read_back_gives_the_same_figures() -> None:
    live, later, trail = Notes(), Notes(), Trail()
    sink = MeteredSink(trail, live)
    for event in (opened(), closed(), rotated(), opened("other")):
        sink.record(event)
    tally = Tally(later)
    for line in trail.lines:
        tally.count(json.loads(line))
    assert later.told == [told for told in live.told if told[0] is not of.AUDIT_SECONDS]


def test_leases_that_never_end_are_not_remembered_for_ever() -> None:
    meter = Notes()
    sink = MeteredSink(Trail(), meter)
    for number in range(REMEMBERED + 1):
        sink.note(opened(f"l{number}"))
    sink.note(closed("l0"))
    sink.note(closed("l1"))
    assert len(meter.of(of.LEASE_SECONDS)) == 1
