"""What a report says of a room, and that it says so when something is wrong."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from rooms import REQUEST, MadeRoom, copy_of
from strongroom.client.room import Room
from strongroom.client.upkeep import Upkeep
from strongroom.home import Unlock
from strongroom.keystore.counters import counter_row
from strongroom.keystore.tables import WRAP_COUNTERS
from strongroom.recovery import create_backup, verify_backup
from strongroom.report import Grade, Period, document, gather
from strongroom.report.activity import MOST, Activity
from strongroom.report.page import render
from unit.report.conftest import HOSTILE
from unit.report.test_page import Reader

from torture.witness import Witness, serving

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from strongroom.report import Evidence

    Make = Callable[..., Evidence]

PERIOD = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))


def grade(evidence: Evidence, title: str) -> Grade:
    return next(each.grade for each in evidence.verdicts if each.title == title)


def test_what_was_done_is_told(evidence: Make, busy: MadeRoom, tmp_path: Path) -> None:
    found = evidence(data=[tmp_path / "data"])
    told = document(found)
    json.dumps(told)
    activity = told["activity"]
    assert activity["use"][0] | {"first": None, "last": None} == {
        "principal": "billing", "data_class": "default", "purpose": "export", "leases": 2, "encrypting": 2, "decrypting": 0,
        "moving": 0, "messages": 4, "bytes": 301, "first": None, "last": None,
    }  # fmt: skip
    assert {each["reason"]: each["count"] for each in activity["reasons"]} == {"month's end": 1, HOSTILE: 1}
    assert [(each["how"], each["data_class"]) for each in activity["refusals"]] == [
        ("failed", HOSTILE),
        ("failed", "nothing"),
    ]
    assert (activity["denied"], activity["failed"]) == (0, 2)
    assert [each["event"] for each in activity["newest_changes"]][-2:] == ["census-taken", "key-rotated"]
    assert activity["entries"] == activity["entries_of_all_time"] == found.logs[0].size
    assert sum(activity["released_by_class"]["series"]["default"]) == 2
    assert [(each["suite"], each["classes"], each["messages"]) for each in told["suites"]] == [
        ("0478", ["default", "pii"], 3)
    ]
    assert [(each.messages, each.places) for each in found.census if each.messages] == [(3, 1)]
    assert grade(found, "Audit log") is grade(found, "Log and keystore") is Grade.SOUND
    assert grade(found, "Refusals and failures") is Grade.ATTENTION
    assert grade(found, "Backups") is Grade.WRONG


def test_the_period_bounds_what_was_done(busy: MadeRoom) -> None:
    found = gather(busy.home, Unlock(key_file=busy.key_file), PERIOD)
    assert (found.activity.entries, found.activity.seen) == (0, found.logs[0].size)
    assert len(found.keys) == 2


def test_a_backup_is_believed_as_far_as_the_log_knows_of_it(evidence: Make, busy: MadeRoom, tmp_path: Path) -> None:
    unlock = Unlock(key_file=busy.key_file)
    with Room(busy.home, unlock) as opened:
        create_backup(opened, tmp_path / "backup")
    verify_backup(tmp_path / "backup", busy.home, unlock)
    found = evidence()
    assert (grade(found, "Backups"), found.backup.missing) == (Grade.SOUND, ())
    standing = json.loads((busy.home / "backup.json").read_text())
    (busy.home / "backup.json").write_text(json.dumps(standing | {"backup": "0" * 32}))
    assert grade(evidence(), "Backups") is Grade.WRONG
    (busy.home / "backup.json").write_text(json.dumps(standing))
    with Room(busy.home, unlock) as opened:
        key = opened.keys.list()[0]
        opened.keys.rotate(key.id)
    found = evidence()
    assert grade(found, "Backups") is Grade.WRONG
    assert f"{key.id}/{len(key.versions) + 1}" in found.backup.missing


def test_an_edited_log_is_told_and_not_compared(evidence: Make, busy: MadeRoom) -> None:
    for bundle in (busy.home / "audit/tile/entries").rglob("*.p/*"):
        bundle.write_bytes(bundle.read_bytes().replace(b"month's", b"month,s"))
    found = evidence()
    assert grade(found, "Audit log") is grade(found, "Log and keystore") is Grade.WRONG
    assert not found.is_sound
    assert found.activity.entries == found.activity.seen > 0


def test_a_log_put_back_to_an_earlier_state_is_told(evidence: Make, room: MadeRoom) -> None:
    older = copy_of(room.home / "audit", "older")
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        opened.encrypt(b"x")
    shutil.rmtree(room.home / "audit")
    older.rename(room.home / "audit")
    found = evidence()
    assert "an older log was put back" in str(found.logs[0].problem)
    shutil.rmtree(room.home / "audit")
    assert not evidence().is_sound


def test_a_keystore_that_disagrees_is_told(evidence: Make, busy: MadeRoom) -> None:
    service = busy.open()
    key = next(key for key in service.describe(REQUEST).keys if len(key.versions) == 2)
    row = service._keystore._macs.signed(WRAP_COUNTERS, counter_row(key.id, 1, 0))
    service.close()
    busy.sql("UPDATE wrap_counters SET reserved = 0, mac = ? WHERE key_id = ? AND version = 1", row["mac"], key.id)
    found = evidence()
    assert grade(found, "Log and keystore") is Grade.WRONG
    assert "released 2 data keys" in found.agreement.wrong[0]


def test_what_is_overdue_is_told(evidence: Make, room: MadeRoom) -> None:
    assert grade(evidence(), "Cryptoperiods") is Grade.ATTENTION
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        opened.classes.set("default", rotate_every=86_400)
        assert grade(evidence(), "Cryptoperiods") is Grade.SOUND
        opened.classes.set("default", max_wraps=100)
        opened.encrypt(b"x")
    found = evidence()
    assert grade(found, "Cryptoperiods") is Grade.WRONG
    assert [(task.task, task.why) for task in found.due if task.overdue] == [
        ("rotate", "it has wrapped 64 data keys of at most 100")
    ]


def test_what_witnesses_have_seen_is_told(evidence: Make, room: MadeRoom) -> None:
    assert grade(evidence(), "Witnesses") is Grade.ATTENTION
    vkey = (room.home / "audit" / "vkey").read_text().strip()
    unlock = Unlock(key_file=room.key_file)
    with serving(Witness(name=HOSTILE.replace("+", "").replace(" ", ""), logs=[vkey])) as witness:
        with Room(room.home, unlock) as opened:
            opened.settings.add_witness(witness.vkey, witness.url)
            opened.settings.forward_to("file:///dev/full")
        assert [each.time for each in evidence().logs[0].witnesses] == [None]
        with Room(room.home, unlock):
            pass
        found = evidence()
        assert found.unreached is not None
        assert found.behind == found.logs[0].size == found.logs[0].witnesses[0].size
        # neither says anything of the other
        assert (grade(found, "Witnesses"), grade(found, "Forwarding")) == (Grade.SOUND, Grade.ATTENTION)
        witness.answer = (500, b"")
        Upkeep(room.home, unlock, principal=None, purpose=None).push()
        found = evidence()
        assert (grade(found, "Witnesses"), found.logs[0].witnesses[0].problem) == (Grade.ATTENTION, None)
        assert "answered with status 500" in Reader(render(found)).text
        (kept,) = [path for path in (room.home / "audit/witness").iterdir() if path.name != "lock"]
        kept.write_bytes(kept.read_bytes()[:-9])
        found = evidence()
        assert grade(found, "Witnesses") is Grade.WRONG
        assert witness.name in Reader(render(found)).text


# --- in memory that does not grow ------------------------------------------------------------------------------------


def entry(number: int, **more: object) -> dict[str, object]:
    time = (PERIOD.start + timedelta(seconds=number % 1000)).isoformat()
    return {"event": "lease-opened", "time": time, "principal": f"p{number}", "reason": "r" * 9999 + str(number)} | more


def test_any_number_of_names_takes_bounded_memory() -> None:
    activity = Activity(PERIOD)
    for number in range(MOST + 10):
        activity.enter(entry(number, data_class=f"c{number}", action="generate-dek"))
        activity.enter(entry(number, event="denied", why=str(number)))
        activity.enter(entry(number, event=f"e{number}"))
        activity.enter(entry(number, event="backup-verified", backup=str(number)))
    assert len(activity.use) == len(activity.refusals) == len(activity.backups) == MOST
    assert (activity.use.overflowed, activity.use.others.encrypting) == (True, 10)
    assert len(activity.released.series) == MOST + 1
    assert all(len(names[0]) <= 300 for names, _ in activity.reasons.ranked(lambda times: times.count))
    assert activity.denied == MOST + 10


@pytest.mark.parametrize("value", [None, 7, [], {}, "x", "9" * 9999, -1, True, "2026-02-31"])
def test_entries_that_nobody_here_wrote_are_counted_all_the_same(value: object) -> None:
    activity = Activity(PERIOD)
    time = PERIOD.start.isoformat()
    for event in ("lease-opened", "lease-closed", "denied", "failed", "backup-verified", value):
        for name in (
            "time",
            "principal",
            "data_class",
            "purpose",
            "action",
            "messages",
            "bytes",
            "outcome",
            "reason",
            "why",
        ):
            activity.enter({"time": time, "event": event, name: value})
    assert activity.seen == 60


def test_long_periods_have_few_spans() -> None:
    for days in (1, 3, 90, 400, 4000, 40_000):
        activity = Activity(Period(PERIOD.start, PERIOD.start + timedelta(days=days)))
        assert 1 <= len(activity.released.starts) <= 63
        activity.released.add(activity.period.end - timedelta(microseconds=1), "x")
        assert activity.released.series["x"][-1] == 1
