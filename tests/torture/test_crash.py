"""Kills of every job, in small; `python -m torture crash --kills 300` does it in earnest."""

from __future__ import annotations

import argparse

import pytest

from torture import crash
from torture.syscalls import ptrace


@pytest.mark.parametrize("job", sorted(crash.JOBS))
def test_a_killed_job_leaves_whole_outputs_or_none(job: str) -> None:
    parser = argparse.ArgumentParser()
    crash.arguments(parser)
    report = crash.run(parser.parse_args(["--kills", "2", "--files", "120", "--jobs", job]))
    assert report.held, "\n".join(report.lines())
    assert report.controls
    if job == "carry" and ptrace.is_supported():
        # from the first write of the new log until the old trail is gone
        assert report.tried["first use of a plain trail: killed at a system call"] > 20
        assert not any("not reached" in note for note in report.notes)
