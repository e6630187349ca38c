"""Our reader against the official AWS Encryption SDK for Python, on messages that no writer would have written.

Messages are edited as a stranger might, or forged by someone who has the key. Both readers must come to one verdict and
one plaintext; where they may differ, a named rule says why.
"""

from __future__ import annotations

import argparse
import random
import secrets
import sys

from torture.differential.edits import EDITS, edit
from torture.differential.originals import Original, originals
from torture.differential.quirks import QUIRKS, forge
from torture.differential.readers import Verdict, ours, theirs
from torture.differential.rules import explain
from torture.report import Report

PROMISE = "what the official SDK refuses we refuse, and what it reads we read the same, or a rule says why not"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: 2,000 messages take some ten seconds, 100,000 some minutes."""
    parser.add_argument("--messages", type=int, default=2000, metavar="N", help="to compare (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")


def run(options: argparse.Namespace) -> Report:
    """Compare as many messages as asked for."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    quirks = f"{len(QUIRKS)} quirks of a forger"
    report = Report("differential", PROMISE, notes=[f"--seed {seed}; keys and nonces are new in each run; {quirks}"])
    dice = random.Random(seed)
    known = originals(dice)
    for number in range(options.messages):
        kind, message = attempt(dice, known)
        compare(kind, message, report)
        if number % 5000 == 4999 and sys.stderr.isatty():
            print(f"{number + 1:,} of {options.messages:,}", file=sys.stderr)
    control(random.Random(seed), known, report)
    return report


def attempt(dice: random.Random, known: list[Original]) -> tuple[str, bytes]:
    """What is tried next, and what it is."""
    if dice.random() < FORGED:
        return "forged", forge(dice, dice.choice(sorted(QUIRKS)))
    name = dice.choice(sorted(EDITS))
    return name, edit(dice, name, known)[1]


def compare(kind: str, message: bytes, report: Report) -> None:
    """Hand a message to both readers."""
    mine, other = ours(message), theirs(message)
    report.count(f"{kind}: {'refused' if mine.plaintext is None else 'read'}")
    if mine.crash:
        report.found.append(f"ours crashed: {mine.why}, {message.hex()}")
    if mine.plaintext != other.plaintext:
        judge(message, mine, other, report)


def judge(message: bytes, mine: Verdict, other: Verdict, report: Report) -> None:
    """Count a difference that a rule explains; anything else was found."""
    rule = explain(message, mine, other)
    if rule is None:
        report.found.append(f"ours {mine.told()}, theirs {other.told()}: {message.hex()}")
    else:
        report.count(f"different: {rule}")


def control(dice: random.Random, known: list[Original], report: Report) -> None:
    """Readers that are broken on purpose must be told from the SDK."""
    lax = strict = False
    for _ in range(CONTROLS):
        original, message = edit(dice, "flip", known)
        lax |= ours(original.message).plaintext != theirs(message).plaintext
        strict |= theirs(forge(dice, "none")).plaintext is not None
    report.controls["a reader that overlooks an edit"] = lax
    report.controls["a reader that refuses everything"] = strict


FORGED = 0.3
CONTROLS = 20
