"""The lifecycle of key versions in a real room, under any order of moves and clock steps in both directions.

STRONGROOM_EXAMPLES and STRONGROOM_STEPS scale it: 100 runs of 40 steps are the default of a long run.
"""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from rooms import CONTEXT, MadeRoom, Server, make_room, postgres
from strongroom.errors import KeyStateForbids, Misuse
from strongroom.keys import Operation, Task
from strongroom.keyservice import desk
from strongroom.keystore import CensusRecord, Change
from strongroom.model import KeyState as S
from strongroom.model import Request

__all__ = ["postgres"]

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.keystore import HistoryRecord
    from strongroom.model import Key, KeyVersion

EXAMPLES = int(os.environ.get("STRONGROOM_EXAMPLES", "12"))
STEPS = int(os.environ.get("STRONGROOM_STEPS", "25"))
DAY = timedelta(days=1)
REQUEST = Request("alice", "test", "because")
PLACES = ("host:/data", "host:/backup")

# NIST SP 800-57 part 1 rev. 5, figure 3, and our scheduled destruction: by number, from where to where
NIST = {
    (1, None, S.PRE_ACTIVE),
    (2, S.PRE_ACTIVE, S.DESTROYED),
    (3, S.PRE_ACTIVE, S.COMPROMISED),
    (4, S.PRE_ACTIVE, S.ACTIVE),
    (6, S.ACTIVE, S.COMPROMISED),
    (7, S.ACTIVE, S.SUSPENDED),
    (8, S.ACTIVE, S.DEACTIVATED),
    (10, S.SUSPENDED, S.COMPROMISED),
    (11, S.SUSPENDED, S.ACTIVE),
    (12, S.SUSPENDED, S.DEACTIVATED),
    (13, S.DESTROY_SCHEDULED, S.DESTROYED),
    (14, S.DEACTIVATED, S.COMPROMISED),
    (14, S.DESTROY_SCHEDULED, S.COMPROMISED),
    (15, S.DESTROY_SCHEDULED, S.DESTROYED),
    (21, S.DEACTIVATED, S.DESTROY_SCHEDULED),
    (21, S.COMPROMISED, S.DESTROY_SCHEDULED),
    (22, S.DESTROY_SCHEDULED, S.DEACTIVATED),
    (22, S.DESTROY_SCHEDULED, S.COMPROMISED),
    (23, S.DESTROYED, S.DESTROYED),
}
BY_CLOCK = {4, 8, 13, 15}
FROM = {
    "activate": {S.PRE_ACTIVE},
    "suspend": {S.ACTIVE},
    "resume": {S.SUSPENDED},
    "deactivate": {S.ACTIVE},
    "restore": {S.DESTROY_SCHEDULED},
}

steps_of_time = st.sampled_from([1, 200, 301, 86_400, 8 * 86_400, 40 * 86_400, 400 * 86_400]).map(
    lambda seconds: timedelta(seconds=seconds)
)
periods = st.sampled_from([0, 86_400, 30 * 86_400, 365 * 86_400])
picks = st.integers(0, 50)


class Lifecycle(RuleBasedStateMachine):
    """One room. The wall clock stands still but for the rules that move it, so that every outcome can be foretold."""

    make: Callable[[Path], MadeRoom] = staticmethod(make_room)

    @initialize()
    def begin(self) -> None:
        self.patch = pytest.MonkeyPatch()
        self.place = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None))
        self.patch.setenv("STRONGROOM_STATE", str(self.place / "state"))
        self.made = self.make(self.place)
        self.wall = datetime.now(UTC) + timedelta(seconds=1)
        self.patch.setattr(desk, "utc_now", lambda: self.wall)
        self.service = self.made.open()
        self.histories: dict[tuple[str, int], list[HistoryRecord]] = {}
        self.counted: dict[str, tuple[datetime, dict[tuple[str, int], int]]] = {}
        self.edks: list[tuple[object, str, int]] = []
        self.calls: set[str] = set()

    def teardown(self) -> None:
        if hasattr(self, "service"):
            self.service.close()
            self.patch.undo()
            shutil.rmtree(self.place)

    # --- time ----------------------------------------------------------------------------------------------------

    @rule(step=steps_of_time)
    def time_goes_on(self, step: timedelta) -> None:
        self.wall += step

    @rule(step=steps_of_time)
    def clock_is_put_back(self, step: timedelta) -> None:
        self.wall -= step

    @rule(rotate=periods, originator=periods, recipient=periods, lease=st.sampled_from([0, 300, 86_400]))
    def set_periods(self, rotate: int, originator: int, recipient: int, lease: int) -> None:
        try:
            self.service.set_class(
                REQUEST,
                "default",
                rotate_every=rotate,
                originator_usage=originator,
                recipient_usage=recipient,
                lease_seconds=lease,
            )
        except Misuse:
            assert (0 < originator < rotate) or (0 < recipient < originator)

    # --- keys ----------------------------------------------------------------------------------------------------

    @rule(later=st.booleans())
    def create(self, later: bool) -> None:
        before = self.current()
        key = self.service.create_key(REQUEST, "default", activates=self.now() + DAY if later else None)
        waits = key.versions[0].state is S.PRE_ACTIVE
        assert waits == later
        assert key.current == (not later or before is None)

    @rule(pick=picks)
    def rotate(self, pick: int) -> None:
        key = self.some_key(pick)
        epoch = self.service._keystore.snapshot().epoch
        waiting = [v.version for v in key.versions if v.state is S.PRE_ACTIVE]
        after = self.service.rotate(REQUEST, key.id)
        fresh = waiting[0] if waiting else len(key.versions) + 1
        assert after.primary == fresh, "the primary has moved"
        assert after.versions[fresh - 1].state is S.ACTIVE
        assert self.service._keystore.snapshot().epoch == epoch + 1, "in one change"
        assert len(after.versions) == len(key.versions) + (not waiting), "and there is one new version"

    @rule(pick=picks)
    def prepare(self, pick: int) -> None:
        key = self.some_key(pick)
        waiting = any(v.state is S.PRE_ACTIVE for v in key.versions)
        try:
            after = self.service.rotate(REQUEST, key.id, activates=self.now() + DAY)
        except KeyStateForbids:
            assert waiting
        else:
            assert not waiting
            assert after.primary == key.primary

    @rule(pick=picks, move=st.sampled_from(sorted(FROM)))
    def move(self, pick: int, move: str) -> None:
        key, version = self.some_version(pick)
        try:
            after = getattr(self.service, move)(REQUEST, key.id, version.version)
        except KeyStateForbids:
            assert version.state not in FROM[move], f"{move} was refused to {version}"
        else:
            assert version.state in FROM[move], f"{move} was allowed to {version}"
            self.calls.add(move)
            if move == "activate":
                assert after.primary == version.version

    @rule(pick=picks, rotating=st.booleans())
    def compromise(self, pick: int, rotating: bool) -> None:
        key, version = self.some_version(pick)
        try:
            after = self.service.compromise(REQUEST, key.id, version.version, rotate=rotating)
        except KeyStateForbids:
            assert version.compromised
        else:
            assert not version.compromised
            assert after.versions[version.version - 1].compromised
            if version.primary:
                assert (after.primary != 0) == rotating

    @rule(pick=picks)
    def destroy(self, pick: int) -> None:
        key, version = self.some_version(pick)
        try:
            after = self.service.destroy(REQUEST, key.id, version.version)
        except KeyStateForbids:
            assert version.state is not S.PRE_ACTIVE
            assert version.state not in {S.DEACTIVATED, S.COMPROMISED} or not self.is_clear(key.id, version.version)
        else:
            self.calls.add("destroy")
            never_used = version.state is S.PRE_ACTIVE
            assert after.versions[version.version - 1].state is (S.DESTROYED if never_used else S.DESTROY_SCHEDULED)

    @rule()
    def run_the_scheduler(self) -> None:
        scheduled = {
            (key.id, v.version): v.destroy_at for key in self.keys() for v in key.versions if v.destroy_at is not None
        }
        done, failed = self.service.do_due(REQUEST, frozenset(Task))
        for task in done:
            if task.task is Task.DESTROY:
                self.calls.add("erase")
                assert scheduled[task.key_id, task.version] <= self.now()
                assert self.is_clear(task.key_id, task.version)
        for task, error in failed:
            assert task.task is Task.DESTROY
            assert isinstance(error, KeyStateForbids)
            assert not self.is_clear(task.key_id, task.version)

    # --- data and its count --------------------------------------------------------------------------------------

    @rule()
    def encrypt(self) -> None:
        key = self.current()
        assert key is not None
        version = next((v for v in key.versions if v.primary), None)
        over = version is not None and self.is_over(version, "originator_usage")
        try:
            made = self.service.generate_dek(REQUEST, "default", CONTEXT)
        except KeyStateForbids:
            assert version is None or over
        else:
            assert version is not None
            assert not over
            assert (made.lease.key_id, made.lease.version) == (key.id, version.version)
            self.edks.append((made.edk, key.id, version.version))

    @rule(pick=picks, operation=st.sampled_from([Operation.DECRYPT, Operation.REENCRYPT]))
    def use(self, pick: int, operation: Operation) -> None:
        if not self.edks:
            return
        edk, key_id, number = self.edks[pick % len(self.edks)]
        version = self.service.key(REQUEST, key_id).versions[number - 1]
        if operation is Operation.REENCRYPT:
            allowed = version.state in {S.ACTIVE, S.DEACTIVATED, S.COMPROMISED}
        else:
            allowed = version.state in {S.ACTIVE, S.DEACTIVATED} and not self.is_over(version, "recipient_usage")
        try:
            self.service.unwrap_dek(REQUEST, [edk], CONTEXT, operation=operation)
        except KeyStateForbids:
            assert not allowed
        else:
            assert allowed
            self.calls.add(str(operation))

    @rule(pick=picks, place=st.sampled_from(PLACES), messages=st.sampled_from([0, 0, 0, 7]))
    def count(self, pick: int, place: str, messages: int) -> None:
        key, version = self.some_version(pick)
        rows = [("", 0, messages)] + [(key.id, version.version, messages)] * bool(messages)
        taken = self.now()
        census = tuple(
            CensusRecord(place=place, key_id=of, version=n, messages=m, bytes=m, files=m, taken=taken)
            for of, n, m in rows
        )
        self.service._keystore.change(lambda snapshot: Change(census=census, recounted=(place,)))
        self.counted[place] = (taken, {(of, n): m for of, n, m in rows[1:]})

    @rule()
    def another_process_goes_on(self) -> None:
        self.service.close()
        self.service = self.made.open()

    # --- what must always hold -----------------------------------------------------------------------------------

    @invariant()
    def at_most_one_primary_and_it_is_active(self) -> None:
        keys = self.keys()
        assert len([key for key in keys if key.current]) <= 1
        for key in keys:
            primaries = [v for v in key.versions if v.primary]
            assert [v.version for v in primaries] == [key.primary] * bool(key.primary)
            assert all(v.state is S.ACTIVE for v in primaries)

    @invariant()
    def time_that_has_come_is_written_down(self) -> None:
        for key in self.keys():
            for v in key.versions:
                assert v.state is not S.PRE_ACTIVE or v.activates is None or v.activates > self.now()
                assert v.state is not S.ACTIVE or v.active_until is None or v.active_until > self.now()

    @invariant()
    def histories_only_grow_along_the_edges(self) -> None:
        keys = self.keys()
        entries = {entry["id"]: entry for entry in map(json.loads, self.made.audit().splitlines())}
        latest = max((step.time for steps in self.histories.values() for step in steps), default=self.wall)
        for key in keys:
            whole = self.service.history(REQUEST, key.id)
            for v in key.versions:
                steps = [step for step in whole if step.version == v.version]
                known = self.histories.get((key.id, v.version), [])
                assert steps[: len(known)] == known, "what has happened has happened"
                for step in steps[len(known) :]:
                    self.check_step(step, entries, latest if self.histories else step.time)
                assert [step.number for step in steps] == list(range(1, len(steps) + 1))
                assert [step.source for step in steps] == [None, *(step.target for step in steps[:-1])]
                assert steps[-1].target is v.state
                self.histories[key.id, v.version] = steps
        assert set(self.histories) == {(key.id, v.version) for key in keys for v in key.versions}, "tombstones stay"

    @invariant()
    def the_destroyed_are_gone_for_ever(self) -> None:
        for name, record in self.service._keystore.snapshot().versions.items():
            assert (record.wrapped_kek is None) == (record.state is S.DESTROYED)
            targets = [step.target for step in self.histories[name]]
            if S.DESTROYED in targets:
                assert set(targets[targets.index(S.DESTROYED) :]) == {S.DESTROYED}
            if S.COMPROMISED in targets:
                rest = set(targets[targets.index(S.COMPROMISED) :])
                assert rest <= {S.COMPROMISED, S.DESTROY_SCHEDULED, S.DESTROYED}
                assert record.compromised

    def check_step(self, step: HistoryRecord, entries: dict[str, dict[str, object]], latest: datetime) -> None:
        """A new step: a known edge, with all that there must be with it."""
        assert (step.edge, step.source, step.target) in NIST
        assert step.actor
        assert step.reason
        assert step.time >= latest, "no step is earlier than one before"
        assert (step.actor == "clock") <= (step.edge in BY_CLOCK)
        told = entries[step.event_id]
        assert (told["key_id"], told["version"]) == (step.key_id, step.version)
        assert step.edge in (told.get("edges") or [told.get("edge")])
        if step.edge in {13, 15, 21}:
            assert self.is_clear(step.key_id, step.version), "there was data under it"

    # --- what the rules look at ----------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time of the room: no earlier than anything that it has written down."""
        return max(self.wall, self.service._keystore.snapshot().newest)

    def keys(self) -> list[Key]:
        return list(self.service.describe(REQUEST).keys)

    def current(self) -> Key | None:
        return next((key for key in self.keys() if key.current), None)

    def some_key(self, pick: int) -> Key:
        keys = self.keys()
        return keys[pick % len(keys)]

    def some_version(self, pick: int) -> tuple[Key, KeyVersion]:
        versions = [(key, version) for key in self.keys() for version in key.versions]
        return versions[pick % len(versions)]

    def is_over(self, version: KeyVersion, period: str) -> bool:
        seconds = getattr(self.service.data_class(REQUEST, "default"), period)
        return bool(seconds) and version.activated + timedelta(seconds=seconds) <= self.now()

    def is_clear(self, key_id: str, version: int) -> bool:
        """Whether every place was counted within a week, and nothing was found."""
        fresh = all(self.now() - taken <= 7 * DAY for taken, _ in self.counted.values())
        return bool(self.counted) and fresh and not any(n.get((key_id, version)) for _, n in self.counted.values())


SETTINGS = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

TestOnSqlite = Lifecycle.TestCase
TestOnSqlite.settings = SETTINGS


def test_on_postgres(postgres: Server) -> None:
    """The same machine with its keystore in PostgreSQL."""

    class OnPostgres(Lifecycle):
        make = staticmethod(lambda place: make_room(place, postgres.new_url()))

    run_state_machine_as_test(OnPostgres, settings=SETTINGS)


def test_a_walk_with_the_clock_put_back_is_noticed_if_it_is_not_written_down(monkeypatch: pytest.MonkeyPatch) -> None:
    """The check of the check: where nobody writes down what time has brought, the machine says so."""
    machine = Lifecycle()
    machine.begin()
    try:
        monkeypatch.setattr(desk.Desk, "_is_overdue", lambda self, snapshot: False)
        machine.rotate(0)
        machine.time_goes_on(timedelta(seconds=301))
        with pytest.raises(AssertionError):
            machine.time_that_has_come_is_written_down()
    finally:
        machine.teardown()


def test_a_destruction_with_data_left_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for a census that nobody looks at."""
    from strongroom.keyservice import moves

    machine = Lifecycle()
    machine.begin()
    try:
        monkeypatch.setattr(moves, "check_unreferenced", lambda *_: None)
        machine.histories_only_grow_along_the_edges()
        machine.move(0, "deactivate")
        machine.count(0, PLACES[0], 7)
        machine.destroy(0)
        with pytest.raises(AssertionError, match="there was data under it"):
            machine.histories_only_grow_along_the_edges()
    finally:
        machine.teardown()
