"""Puts bugs that other projects have had into a copy of our code, and looks whether the suite turns red.

Each file in `seeds` is one bug: what happened elsewhere, the patch, and the part of the suite that must notice.
"""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from torture.bugs.seed import Kind, Seed, all_seeds, harmless
from torture.bugs.workshop import Outcome, Workshop
from torture.report import Report

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Iterable, Iterator

__all__ = ["arguments", "run"]


def arguments(parser: ArgumentParser) -> None:
    """The options of the program."""
    parser.add_argument("--all", action="store_true", help="also those in Rust: a build each, a quarter of an hour")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these bugs, by the names of their files")
    parser.add_argument("--scratch", type=Path, help="a folder for the copy and its build output, to be used again")


def run(options: Namespace) -> Report:
    """Plant each bug, one after the other."""
    report = Report("bugs", "a bug that others have had would not get through our suite")
    seeds = list(chosen(options))
    with ExitStack() as closing:
        folder = options.scratch or Path(closing.enter_context(TemporaryDirectory(prefix="strongroom-bugs-")))
        workshop = Workshop(folder)
        for kind in sorted({seed.kind for seed in seeds}):
            alike = [seed for seed in seeds if seed.kind is kind]
            control(workshop, kind, alike, report)
            for seed in alike:
                plant(workshop, seed, report)
    report.notes.append(f"caught: {report.tried.get('bugs', 0) - len(report.found)} of {report.tried.get('bugs', 0)}")
    return report


def chosen(options: Namespace) -> Iterator[Seed]:
    """The bugs that are asked for; without options those that need no build."""
    for seed in all_seeds():
        if seed.name in options.only if options.only else options.all or seed.kind is Kind.PYTHON:
            yield seed


def control(workshop: Workshop, kind: Kind, seeds: Iterable[Seed], report: Report) -> None:
    """That the same tests pass without a bug, and with a patch that changes nothing."""
    tests = sorted({test for seed in seeds for test in seed.tests}) if kind is not Kind.RUST else []
    runs = [tests] if tests else [list(tests) for tests in sorted({seed.tests for seed in seeds})]
    outcomes = [workshop.test(kind, tests) for tests in runs]
    for outcome in outcomes:
        tell(f"without a bug, {kind}", outcome)
    green = all(outcome.passed for outcome in outcomes)
    report.controls[f"the tests in {kind} pass without a bug"] = green
    nothing = harmless(kind, runs[0])
    outcome = workshop.plant(nothing)
    tell(nothing.title, outcome)
    report.controls[f"a patch of a comment in {kind} goes unnoticed"] = outcome.passed


def plant(workshop: Workshop, seed: Seed, report: Report) -> None:
    """One bug."""
    outcome = workshop.plant(seed)
    tell(seed.name, outcome)
    report.count("bugs")
    if outcome.passed:
        report.found.append(f"{seed.name}: {seed.title}, and {' '.join(seed.tests)} does not notice")
    else:
        report.notes.append(f"{seed.name} ({seed.precedent}): {outcome.told}, {outcome.seconds:.0f} s")


def tell(what: str, outcome: Outcome) -> None:
    print(f"{what}: {'green' if outcome.passed else outcome.told} ({outcome.seconds:.0f} s)", file=sys.stderr)
