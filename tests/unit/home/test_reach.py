"""Whether witnesses and the receiver of entries were reached: each told apart, in metrics and by doctor."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from receivers import tcp
from strongroom.cli import machine
from strongroom.client.room import Room
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AuditUnavailable
from strongroom.home import Unlock, reach, told_lately, unreached
from strongroom.observe.prometheus import PrometheusMeter

from torture.witness import Witness, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from rooms import MadeRoom


@pytest.fixture
def witness(room: MadeRoom) -> Iterator[Witness]:
    with serving(Witness(logs=[(room.home / "audit" / "vkey").read_text().strip()])) as serves:
        yield serves


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reach, "PAUSE", 0)


def opened(room: MadeRoom) -> Room:
    return Room(room.home, Unlock(key_file=room.key_file))


def upkeep(room: MadeRoom) -> Upkeep:
    return Upkeep(room.home, Unlock(key_file=room.key_file), principal=None, purpose=None)


def set_up(room: MadeRoom, witness: Witness, target: str | None) -> None:
    with opened(room) as it:
        it.settings.add_witness(witness.vkey, witness.url, reason="test")
        it.settings.forward_to(target, reason="test")


def used(room: MadeRoom) -> None:
    with opened(room) as it:
        it.encrypt(b"x")


def figures(room: MadeRoom) -> dict[str, float]:
    meter = PrometheusMeter()
    with opened(room) as it:
        it.measure(meter)
    return {
        str(sample["name"]).removeprefix("strongroom_"): sample["value"]  # type: ignore[misc] # a gauge has one
        for sample in meter.samples()
        if str(sample["name"]).startswith(("strongroom_witness", "strongroom_forwarding"))
    }


def test_success_of_one_does_not_clear_the_failure_of_the_other(room: MadeRoom, witness: Witness) -> None:
    with tcp() as receives:
        url = receives.url
    set_up(room, witness, url)
    used(room)
    (problem,) = unreached(room.home)
    assert f"cannot be forwarded to {url}" in problem
    upkeep(room).push()
    assert unreached(room.home) == (problem,)
    with tcp() as receives, opened(room) as it:
        it.settings.forward_to(receives.url, reason="it moved")
        it.encrypt(b"y")
        witness.answer = (500, b"")
        # the settings of the one that opens it count
        used(room)
        assert unreached(room.home) == (f"{witness.name} answered with status 500",)
        # and so do timers' runs
        upkeep(room).forward()
        assert unreached(room.home) == (f"{witness.name} answered with status 500",)
    with pytest.raises(AuditUnavailable):
        upkeep(room).forward()
    assert len(unreached(room.home)) == 2


def test_figures_say_since_when_and_how_far(room: MadeRoom, witness: Witness, tmp_path: Path) -> None:
    assert figures(room) == {"forwarding_up": 1, "forwarding_reached_seconds": 0, "forwarding_behind": 0}
    set_up(room, witness, f"file://{tmp_path / 'lines'}")
    sealed = int((room.home / "audit/checkpoint").read_text().split()[1])
    # nobody has been told yet; samples have no infinity
    meter = PrometheusMeter()
    assert upkeep(room).standings()[0].last is None
    with opened(room) as it:
        it.measure(meter)
        assert meter.registry.get_sample_value("strongroom_witness_up", {"witness": witness.name}) == 0
        seconds = meter.registry.get_sample_value("strongroom_witness_reached_seconds", {"witness": witness.name})
        assert seconds == float("inf")
        assert meter.registry.get_sample_value("strongroom_forwarding_behind") == sealed
        it.encrypt(b"x")
    found = figures(room)
    assert (found["witness_up"], found["witness_behind"]) == (1, 0)
    assert (found["forwarding_up"], found["forwarding_behind"]) == (1, 0)
    assert 0 <= found["witness_reached_seconds"] < 60
    # the witness goes away, and what is sealed meanwhile is counted
    witness.answer = (500, b"")
    used(room)
    found = figures(room)
    assert (found["witness_up"], found["forwarding_up"]) == (0, 1)
    assert (found["witness_behind"], found["forwarding_behind"]) == (4, 0)
    (file,) = [path for path in (room.home / "audit/reach").iterdir() if path.name != "forwarding"]
    before = json.loads(file.read_bytes())
    used(room)
    after = json.loads(file.read_bytes())
    # since the first failure, whatever came after it
    assert (after["failing"], after["reached"]) == (before["failing"], before["reached"])
    assert figures(room)["witness_behind"] == 8
    witness.answer = None
    upkeep(room).push()
    assert (figures(room)["witness_up"], figures(room)["witness_behind"]) == (1, 0)


def test_doctor_tells_both(room: MadeRoom, witness: Witness, tmp_path: Path) -> None:
    assert list(machine.log_leaves(room.home)) == []
    set_up(room, witness, f"file://{tmp_path / 'lines'}")
    used(room)
    checks = {check.name: check for check in machine.log_leaves(room.home)}
    assert {name: check.verdict for name, check in checks.items()} == {"witness": "ok", "forwarding": "ok"}
    assert witness.name in checks["witness"].sentence
    assert "0 entries behind" in checks["forwarding"].sentence
    witness.answer = (500, b"")
    (tmp_path / "lines").unlink()
    (tmp_path / "lines").mkdir()
    used(room)
    checks = {check.name: check for check in machine.log_leaves(room.home)}
    today = datetime.now(UTC).strftime("%Y-%m-%d")
    for name, fix in (("witness", "strongroom audit witness push"), ("forwarding", "strongroom audit forward run")):
        assert (checks[name].verdict, checks[name].fix) == ("warn", fix)
        assert f"was not reached since {today}" in checks[name].sentence
        assert "4 entries behind" in checks[name].sentence
    # one that has seen another log is not merely away
    witness.answer = (422, b"")
    used(room)
    (check,) = [check for check in machine.log_leaves(room.home) if check.name == "witness"]
    assert check.verdict == "fail"
    assert "has seen another log" in check.sentence


def test_whoever_is_not_set_up_any_more_is_forgotten(room: MadeRoom, witness: Witness, tmp_path: Path) -> None:
    set_up(room, witness, "file:///dev/full")
    witness.answer = (500, b"")
    used(room)
    assert len(unreached(room.home)) == 2
    with opened(room) as it:
        it.settings.remove_witness(witness.name, reason="test")
        it.settings.forward_to(None, reason="test")
    opened(room).close()
    assert (unreached(room.home), told_lately(room.home)) == ((), ())
    # another target begins anew
    with opened(room) as it:
        it.settings.forward_to(f"file://{tmp_path / 'lines'}", reason="test")
        meter = PrometheusMeter()
        it.measure(meter)
    assert meter.registry.get_sample_value("strongroom_forwarding_reached_seconds") == float("inf")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b"\xff",
        b'{"name":"w","reached":"never","failing":null,"problem":null,"alarm":false}',
        b'{"name":"w","reached":1,"failing":null,"problem":null,"alarm":false}',
        b'{"name":"w","reached":null,"failing":null,"problem":[],"alarm":false}',
    ],
)
def test_what_nobody_has_written_says_nothing(room: MadeRoom, content: bytes) -> None:
    (room.home / "audit/reach").mkdir(mode=0o700)
    (room.home / "audit/reach/forwarding").write_bytes(content)
    assert unreached(room.home) == ()
    assert told_lately(room.home) == ()
    used(room)


def test_a_cursor_that_is_none_is_told(room: MadeRoom, witness: Witness, tmp_path: Path) -> None:
    set_up(room, witness, f"file://{tmp_path / 'lines'}")
    used(room)
    (room.home / "audit/forwarded").write_bytes(b"nonsense")
    (check,) = machine.log_leaves(room.home)
    assert check.verdict == "fail"
    with opened(room) as it, pytest.raises(AuditUnavailable):
        it.measure(PrometheusMeter())
    os.unlink(room.home / "audit/forwarded")
    assert len(list(machine.log_leaves(room.home))) == 2
