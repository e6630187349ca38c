"""Time and the lifecycle: whatever the dates are, time goes one way, and walks along the edges keep the invariants."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from strongroom.errors import KeyStateForbids
from strongroom.keys import Move, Operation, Task, due, edge, edge_by_time, forbids, is_over, next_date
from strongroom.model import KeyState

START = datetime(2026, 1, 1, tzinfo=UTC)
DAY = 86_400
ORDER = [KeyState.PRE_ACTIVE, KeyState.ACTIVE, KeyState.DEACTIVATED]


@dataclass(frozen=True)
class Version:
    state: KeyState
    activates: datetime | None = None
    activated: datetime | None = None
    active_until: datetime | None = None
    destroy_at: datetime | None = None
    compromised: bool = False


@dataclass(frozen=True)
class Periods:
    lease_seconds: int = 300
    rotate_every: int = 0
    originator_usage: int = 0
    recipient_usage: int = 0
    max_wraps: int = 2**32


moments = st.integers(0, 2000 * DAY).map(lambda seconds: START + timedelta(seconds=seconds))
spans = st.sampled_from([0, 1, 300, DAY, 90 * DAY, 365 * DAY])
periods = st.builds(Periods, spans, spans, spans, spans, st.sampled_from([100, 2**32]))


@st.composite
def versions(draw: st.DrawFn) -> Version:
    state = draw(st.sampled_from(list(KeyState)))
    activated = None if state is KeyState.PRE_ACTIVE else draw(moments)
    return Version(
        state=state,
        activates=draw(st.none() | moments),
        activated=activated,
        active_until=draw(st.none() | moments) if activated else None,
        destroy_at=draw(moments) if state is KeyState.DESTROY_SCHEDULED else None,
    )


@given(versions(), periods, moments, moments)
def test_time_brings_only_what_it_does_not_take_back(v: Version, p: Periods, a: datetime, b: datetime) -> None:
    earlier, later = sorted((a, b))
    brought = edge_by_time(v, p, earlier)
    if brought is not None:
        assert edge_by_time(v, p, later) == brought
        assert ORDER.index(brought.target) == ORDER.index(v.state) + 1
    for operation in Operation:
        if forbids(v, p, operation, earlier):
            assert forbids(v, p, operation, later)


@given(versions(), periods, moments)
def test_the_next_date_is_when_time_brings_something(v: Version, p: Periods, now: datetime) -> None:
    date = next_date(v, p)
    assert (edge_by_time(v, p, now) is not None) == (date is not None and date <= now)


@given(versions(), periods, st.booleans(), st.integers(0, 100), moments)
def test_what_is_due_says_what_time_forbids(v: Version, p: Periods, primary: bool, wraps: int, now: datetime) -> None:
    tasks = {found.task: found.when for found in due(v, p, primary=primary, wraps=wraps, now=now)}
    if v.state is KeyState.ACTIVE:
        assert (Task.DEACTIVATE in tasks) == (next_date(v, p) is not None)
        # a rotation is due before the primary version may not encrypt any more
        if primary and v.active_until is None and forbids(v, p, Operation.ENCRYPT, now):
            assert tasks[Task.ROTATE] <= now
        if primary and wraps * 2 >= p.max_wraps and v.active_until is None:
            assert tasks[Task.ROTATE] == now
    elif not (primary and v.state in {KeyState.COMPROMISED, KeyState.DEACTIVATED}):
        assert Task.ROTATE not in tasks
    elif v.state is KeyState.COMPROMISED:
        assert tasks[Task.ROTATE] == now, "what nobody can encrypt under wants a new version at once"
    readable = v.state in {KeyState.ACTIVE, KeyState.DEACTIVATED}
    if readable and forbids(v, p, Operation.DECRYPT, now):
        assert tasks[Task.RETIRE] <= now
    assert (Task.DESTROY in tasks) == (v.state is KeyState.DESTROY_SCHEDULED)


@given(versions(), periods, moments)
def test_what_may_not_be_decrypted_for_its_age_can_be_moved(v: Version, p: Periods, now: datetime) -> None:
    assert forbids(replace(v, state=KeyState.ACTIVE), p, Operation.REENCRYPT, now) is None


@dataclass
class Walk:
    """A version as the edges leave it."""

    version: Version = field(default_factory=lambda: Version(KeyState.PRE_ACTIVE))
    seen: list[KeyState] = field(default_factory=lambda: [KeyState.PRE_ACTIVE])

    def take(self, move: Move, p: Periods, now: datetime) -> None:
        v = self.version
        found = edge(move, v.state, compromised=v.compromised, ended=is_over(v, p, now))
        self.version = replace(
            v,
            state=found.target,
            compromised=v.compromised or move is Move.COMPROMISE,
            activated=now if found.number == 4 else v.activated,
        )
        self.seen.append(found.target)


@settings(max_examples=500)
@given(st.lists(st.tuples(st.sampled_from(list(Move)), moments), max_size=25), periods)
def test_walks_along_the_edges(moves: list[tuple[Move, datetime]], p: Periods) -> None:
    walk = Walk()
    for move, now in moves:
        before = walk.version
        try:
            walk.take(move, p, now)
        except KeyStateForbids:
            assert walk.version == before
    seen = walk.seen
    if KeyState.DESTROYED in seen:
        assert set(seen[seen.index(KeyState.DESTROYED) :]) == {KeyState.DESTROYED}, "destroyed is for ever"
    if KeyState.COMPROMISED in seen:
        rest = seen[seen.index(KeyState.COMPROMISED) :]
        assert set(rest) <= {KeyState.COMPROMISED, KeyState.DESTROY_SCHEDULED, KeyState.DESTROYED}
        assert walk.version.compromised
    if KeyState.ACTIVE in seen:
        assert KeyState.PRE_ACTIVE not in seen[seen.index(KeyState.ACTIVE) :]
    if KeyState.DEACTIVATED in seen:
        assert KeyState.ACTIVE not in seen[seen.index(KeyState.DEACTIVATED) :]
    # what ever wrapped a data key waits before it is destroyed
    if seen[-1] is KeyState.DESTROYED and seen.count(KeyState.DESTROYED) == 1 and len(seen) > 2:
        assert seen[-2] is KeyState.DESTROY_SCHEDULED
