"""A few instants on one file system; `python -m torture power --images 500` takes many on both."""

from __future__ import annotations

import argparse

import pytest

from torture import power
from torture.power.images import why_not
from torture.power.memory import Memory


@pytest.mark.skipif(why_not() is not None, reason=f"disks cannot be made here: {why_not()}")
def test_power_fails_at_some_instants() -> None:
    parser = argparse.ArgumentParser()
    power.arguments(parser)
    report = power.run(parser.parse_args(["--images", "5", "--control", "5", "--kinds", "ext4"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 1


def test_what_was_acknowledged_must_be_there_and_what_was_begun_may() -> None:
    memory = Memory()
    for line in (
        '{"name": "a", "digest": "one", "begun": 1}',
        '{"name": "a", "digest": "one", "done": 2}',
        '{"name": "a", "digest": "two", "begun": 4}',
    ):
        memory.hear(line)
    assert memory.may("a", 0.5, 0.6) == {None}
    assert memory.may("a", 1.5, 1.6) == {"one", None}
    assert memory.may("a", 3, 3.5) == {"one"}
    assert memory.may("a", 3, 5) == {"one", "two"}
