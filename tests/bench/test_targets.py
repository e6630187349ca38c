"""The gate of the ratios can fail, and only for a reason."""

from __future__ import annotations

import pytest

from benches.harness import check, targets
from benches.harness.check import better
from benches.harness.report import GroupResult, Report, RowResult, Spread
from benches.harness.row import Group, Row
from benches.harness.targets import Target, Verdict, judge

TARGET = Target("work", "ours", "limit", 0.9, "it is promised", gate=True)


def report(ours: list[float], limit: list[float], *, huge_pages: str = "madvise", **others: list[float]) -> Report:
    rows = {"ours": ours, "limit": limit} | others
    results = [RowResult(name, "strongroom", seconds, 0) for name, seconds in rows.items()]
    return Report({"huge_pages": huge_pages}, [GroupResult("work", "bytes", 1.0, "limit", results)], {})


def verdict(target: Target, given: Report) -> Verdict:
    (found,) = judge([target], given)
    return found


def test_a_row_that_is_fast_enough_meets_its_target():
    assert verdict(TARGET, report([1.1] * 3, [1.0] * 3)).met


def test_a_slowdown_of_a_tenth_misses_a_target_that_was_just_met():
    assert verdict(TARGET, report([1.1] * 3, [1.0] * 3)).met
    assert not verdict(TARGET, report([1.1 * 1.1] * 3, [1.0] * 3)).met


def test_one_noisy_round_of_three_changes_no_verdict():
    assert verdict(TARGET, report([1.0, 9.0, 1.0], [1.0] * 3)).met


def test_ratios_are_taken_within_a_round():
    # the machine was twice as slow in the second round, for both
    assert verdict(TARGET, report([1.0, 2.0], [1.0, 2.0])).seen == Spread(1.0, 1.0, 1.0)


def test_what_was_not_measured_is_not_met():
    assert not verdict(Target("other work", "ours", "limit", 0.9, ""), report([1.0], [1.0])).met


def test_a_row_that_is_gone_is_an_error_rather_than_a_pass():
    with pytest.raises(KeyError, match="no row 'gone'"):
        verdict(Target("work", "gone", "limit", 0.9, ""), report([1.0], [1.0]))


def test_a_peer_that_is_not_installed_is_not_measured_and_not_met():
    given = report([1.0], [1.0])
    given.absent["age"] = "apt install age"
    target = Target("work", "ours", "age, which has no row", 0.9, "", peer="age")
    assert verdict(target, given) == Verdict(target, None)
    assert not verdict(target, given).met


def test_a_gain_is_compared_with_a_gain():
    scaling = Target("work", "ours2", "limit2", 0.95, "", base="ours", against_base="limit")
    assert verdict(scaling, report([2.0], [1.0], ours2=[1.0], limit2=[0.5])).met
    assert not verdict(scaling, report([2.0], [1.0], ours2=[1.2], limit2=[0.5])).met


def test_whoever_is_ahead_with_one_worker_needs_not_gain_as_much_but_must_stay_ahead():
    scaling = Target("work", "ours2", "limit2", 0.95, "", base="ours", against_base="limit")
    assert verdict(scaling, report([0.6], [1.0], ours2=[0.5], limit2=[0.5])).seen == Spread(1.0, 1.0, 1.0)
    assert not verdict(scaling, report([0.6], [1.0], ours2=[0.55], limit2=[0.5])).met


def test_targets_of_huge_pages_are_judged_where_they_may_be_had():
    huge, ordinary = (Target("work", "ours", "limit", 0.9, "", huge_pages=value) for value in (True, False))
    assert [found.target for found in judge([huge, ordinary], report([1.0], [1.0]))] == [huge]
    for mode in ("never", "reported", "absent"):
        assert [found.target for found in judge([huge, ordinary], report([1.0], [1.0], huge_pages=mode))] == [ordinary]


def test_the_better_of_two_tries_counts():
    slow, fast = Verdict(TARGET, Spread(0.8, 0.8, 0.8)), Verdict(TARGET, Spread(0.9, 0.9, 0.9))
    assert better(slow, fast) == better(fast, slow) == better(None, fast) == fast


def test_a_planted_slowdown_fails_the_check_and_a_passing_row_passes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check, "ROUNDS", (2, 2))
    monkeypatch.setattr("benches.harness.run.facts", lambda: {"huge_pages": "never"})

    def source(slowness: float):
        def groups(scope):
            assert scope.wants("work")
            rows = [
                Row("limit", "limit", lambda count: count * 0.01),
                Row("ours", "strongroom", lambda count: count * slowness),
            ]
            yield Group("work", "bytes", 1.0, "limit", rows, rounds=scope.rounds)

        return groups

    assert all(found.met for found in check.check([source(0.011)], [TARGET]))
    assert not any(found.met for found in check.check([source(0.0121)], [TARGET]))


def test_noise_in_most_rounds_does_not_fail_the_check_and_a_slowdown_in_all_of_them_does(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(check, "ROUNDS", (3,))

    def seen(ours: list[float]) -> bool:
        monkeypatch.setattr(check, "measure", lambda *_: report(ours, [1.0, 1.1, 1.2]))
        (found,) = check.check([], [TARGET])
        return found.met

    assert seen([1.1, 3.0, 2.9])
    assert not seen([1.4, 1.4, 1.4])
    assert not seen([1.2, 3.0, 2.9])


def test_every_target_of_the_file_is_sound():
    promised = targets.load()
    assert len({(target.group, target.row, target.against, target.huge_pages) for target in promised}) == len(promised)
    assert any(target.gate for target in promised)
    for target in promised:
        assert target.at_least > 0
        assert target.reason
        assert (target.base is None) == (target.against_base is None)
