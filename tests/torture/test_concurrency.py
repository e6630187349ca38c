"""Threads, forks, workers, coroutines and interrupts in small; `python -m torture concurrency --help` says how in earnest."""

from __future__ import annotations

import argparse

import pytest

from torture import concurrency

SMALL = {
    "threads": ["--seconds", "1.5"],
    "forks": ["--forks", "6"],
    "workers": ["--workers", "2"],
    "coroutines": ["--cancels", "16"],
    "interrupts": ["--interrupts", "2", "--mib", "64", "--calls", "encrypt", "encrypt_file", "decrypt_many", "silent"],
}


@pytest.mark.parametrize("part", sorted(concurrency.PARTS))
def test_nothing_repeats_and_nothing_is_wrong(part: str) -> None:
    report = run("--parts", part, *SMALL[part])
    assert report.held, "\n".join(report.lines())
    assert report.controls


@pytest.mark.slow
def test_a_core_without_the_checks_after_a_fork_is_found_out() -> None:
    report = run("--parts", "forks", "--forks", "2", "--rebuild")
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 4


def run(*options: str) -> concurrency.Report:
    parser = argparse.ArgumentParser()
    concurrency.arguments(parser)
    return concurrency.run(parser.parse_args(options))
