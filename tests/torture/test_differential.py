"""Some hundred messages; `python -m torture differential --messages 100000` does it in earnest."""

from __future__ import annotations

import argparse
import random

import pytest

from torture import differential
from torture.differential.quirks import QUIRKS, forge
from torture.differential.readers import Verdict, ours, theirs
from torture.differential.rules import explain


def test_both_readers_come_to_one_verdict() -> None:
    parser = argparse.ArgumentParser()
    differential.arguments(parser)
    report = differential.run(parser.parse_args(["--messages", "200"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 2


@pytest.mark.parametrize("quirk", sorted(QUIRKS))
def test_each_quirk(quirk: str) -> None:
    for seed in range(3):
        message = forge(random.Random(seed), quirk)
        mine, other = ours(message), theirs(message)
        assert mine.plaintext == other.plaintext or explain(message, mine, other), (mine, other, message.hex())


def test_no_rule_explains_a_plaintext_that_is_not_the_same() -> None:
    message = forge(random.Random(1), "none")
    assert explain(message, Verdict(b"a"), Verdict(b"b")) is None
    assert explain(message, Verdict(None, "AuthenticationFailed: "), Verdict(b"b")) is None
