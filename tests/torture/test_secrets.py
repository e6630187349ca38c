"""One session, searched for its keys; `python -m torture secrets` does the same with more pictures."""

from __future__ import annotations

import argparse
import shutil

import pytest

from torture import secrets


@pytest.mark.skipif(shutil.which("gcore") is None, reason="gdb dumps the cores that are searched")
def test_keys_stand_in_locked_memory_only() -> None:
    parser = argparse.ArgumentParser()
    secrets.arguments(parser)
    report = secrets.run(parser.parse_args(["--samples", "3"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 4
    assert report.tried["secrets found in locked memory"] > 50
