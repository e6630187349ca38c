"""The program that breaks keystores, at a small scale: it holds, and its controls are found."""

import subprocess
import sys

import pytest

PARTS = [("edits", "--edits", "25"), ("races", "--races", "3"), ("kills", "--kills", "2")]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", PARTS, ids=lambda part: part[0])
def test_a_keystore_holds(part: tuple[str, ...]) -> None:
    name, *scale = part
    command = [sys.executable, "-m", "torture", "keystore", "--parts", name, *scale]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "control found" in done.stdout


@pytest.mark.timeout(900)
def test_a_server_that_goes_away_is_heard_of_in_time() -> None:
    command = [sys.executable, "-m", "torture", "keystore", "--parts", "outages"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "control found: half a message" in done.stdout
