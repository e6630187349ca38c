"""Some operations of some processes; `python -m torture completeness --operations 10000` does it in earnest."""

from __future__ import annotations

import argparse

from torture import completeness


def test_what_is_released_is_in_the_log() -> None:
    parser = argparse.ArgumentParser()
    completeness.arguments(parser)
    report = completeness.run(parser.parse_args(["--operations", "120", "--processes", "3", "--kills", "2"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 4
    assert report.tried["processes killed"] == 2
    assert report.tried["generated"] > 20
