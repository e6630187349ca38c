"""One session, searched for its keys; `python -m torture secrets` does the same with more pictures."""

from __future__ import annotations

import argparse
import random
import shutil

import pytest

from torture import secrets
from torture.secrets.needles import Needle
from torture.secrets.search import Sieve


@pytest.mark.skipif(shutil.which("gcore") is None, reason="gdb dumps the cores that are searched")
def test_keys_stand_in_locked_memory_only() -> None:
    parser = argparse.ArgumentParser()
    secrets.arguments(parser)
    report = secrets.run(parser.parse_args(["--samples", "3"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 4
    assert report.tried["secrets found in locked memory"] > 50


def test_the_sieve_lets_nothing_through() -> None:
    dice = random.Random(1)
    for _ in range(200):
        needles = [Needle(str(number), dice.randbytes(dice.choice((24, 32, 43, 64)))) for number in range(10)]
        forms = [(needle, form, part) for needle in needles for form, part in needle.in_memory().items()]
        content = bytearray(dice.randbytes(dice.choice((0, 11, 12, 33, 1001))))
        for _, _, part in dice.sample(forms, 5):
            # whole at either end and between, and all but its last byte
            room = len(content) - len(part)
            at = dice.choice((0, room, dice.randint(0, max(0, room))))
            if room >= 0:
                content[at : at + len(part)] = part if dice.random() < 0.8 else part[:-1] + b"x"
        there = {(needle, form) for needle, form, part in forms if part in content}
        assert Sieve(forms).found(bytes(content)) == there
