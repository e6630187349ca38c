"""Tokens at work, wrong PINs and lost tokens, at a small scale: all holds, and the controls are found."""

import subprocess
import sys

import pytest

SMALL = ("--trips", "2", "--calls", "640", "--losses", "gone", "--seconds", "0.2")


@pytest.mark.timeout(900)
def test_tokens_hold() -> None:
    command = [sys.executable, "-m", "torture", "hsm", "--parts", "threads", "long", "renewals", "redundancy", "pins"]
    done = subprocess.run([*command, *SMALL], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    for control in ("another", "sessions that are kept", "both tokens are gone", "tried twice"):
        assert any("control found" in line and control in line for line in done.stdout.splitlines()), control
