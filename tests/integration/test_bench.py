"""`strongroom bench` as a user runs it: what it says, and that it leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMAND = [str(Path(sys.executable).with_name("strongroom")), "bench", "--quick", "--size", "16MiB"]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """No room, and no way to one: none is needed."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("STRONGROOM_")}
    return kept | {"STRONGROOM_HOME": str(tmp_path / "no room")}


def test_the_object(tmp_path: Path, environment: dict[str, str]) -> None:
    command = [*COMMAND, "--json", "--dir", str(tmp_path), "--workers", "2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=120)
    result = json.loads(done.stdout)
    assert done.stderr == ""
    assert result["workers"] == 2
    assert result["seconds"] < 60
    assert result["place"]["directory"] == str(tmp_path)
    assert result["machine"]["aes"] in {"vaes-avx512", "vaes-avx2", "aes-ni", "arm-aes", "none"}
    names = {(row["group"], row["name"]) for row in result["rows"]}
    assert len(names) == len(result["rows"]) == 22
    assert {group for group, _ in names} == {
        "buffers of 8 MiB, 64 KiB frames",
        "buffers of 16 MiB, 64 KiB frames",
        "messages of 1 KiB, one data key",
        "files of 16 MiB",
        "one at a time",
    }
    for row in result["rows"]:
        assert row["rate"] > 0
        assert len(row["seconds"]) == len(row["limit_seconds"]) >= 3
        assert 0 < row["ratio"]["low"] <= row["ratio"]["median"] <= row["ratio"]["high"]
        assert set(row["bound"]) == {"cause", "sentence", "change"}
    changes = {row["bound"]["change"] for row in result["rows"]} - {None}
    assert changes <= {advice["change"] for advice in result["advice"]}
    assert {reference["name"] for reference in result["references"]} >= {"memcpy", "the same without a cipher"}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_leaves_nothing(number: int, tmp_path: Path, environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [*COMMAND, "--dir", str(tmp_path)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        # while it works on files
        end = time.monotonic() + 60
        while not list(tmp_path.glob("*/message")) and time.monotonic() < end:
            time.sleep(0.01)
        assert list(tmp_path.glob("strongroom-bench-*/message"))
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    finally:
        process.kill()
    assert (process.returncode, said.strip()) == (130, "strongroom: interrupted; nothing unfinished was left behind")
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_used_is_an_error_at_once(tmp_path: Path, environment: dict[str, str]) -> None:
    start = time.monotonic()
    done = subprocess.run(
        [*COMMAND, "--dir", str(tmp_path / "none")], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "does not exist" in done.stderr
    assert time.monotonic() - start < 5
