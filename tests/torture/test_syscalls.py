"""A few points of every command; `python -m torture syscalls --all` tries them all."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
from pathlib import Path

import pytest

from torture import syscalls
from torture.syscalls import ptrace
from torture.syscalls.faults import Fault, faults_of
from torture.syscalls.tracer import Outcome, disturb, watch

pytestmark = pytest.mark.skipif(not ptrace.is_supported(), reason="the tracer knows the registers of x86-64 only")


def test_some_points_of_every_command() -> None:
    parser = argparse.ArgumentParser()
    syscalls.arguments(parser)
    report = syscalls.run(parser.parse_args(["--points", "5"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == len(Fault)


def test_other_children_of_this_process_are_not_waited_for() -> None:
    other = subprocess.Popen(["sleep", "60"])
    assert watch(lambda: None, lambda: os.getppid() and 0).code == 0
    assert other.poll() is None
    other.kill()
    assert other.wait() == -signal.SIGKILL


def test_faults_are_what_they_say(tmp_path: Path) -> None:
    def work() -> int:
        descriptor = os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT)
        read = [bytearray(30), bytearray(70)]
        try:
            written = os.pwritev(descriptor, [b"a" * 30, b"b" * 70], 0)
            got = os.preadv(descriptor, read, 0)
        except OSError as error:
            return error.errno
        whole = b"a" * 30 + b"b" * 70
        return 0 if (written, got) == (100, 100) else 50 if (b"".join(read))[:got] == whole[:got] else 1

    calls = watch(lambda: None, work).calls
    write = next(call for call in calls if call.name.startswith("pwritev"))
    read = next(call for call in calls if call.name.startswith("preadv"))
    assert faults_of(write) == list(Fault)
    assert Fault.ENOSPC not in faults_of(read)

    def ending(call: syscalls.Call, fault: Fault) -> Outcome:
        outcome = disturb(lambda: None, work, call, fault)
        assert outcome.reached
        return outcome

    assert ending(write, Fault.EIO).code == Fault.EIO.number
    assert ending(write, Fault.ENOSPC).code == Fault.ENOSPC.number
    assert ending(write, Fault.SIGKILL).code == -9
    assert ending(read, Fault.SHORT).code == 50
    assert (tmp_path / "file").read_bytes() == b"a" * 30 + b"b" * 70
    assert ending(write, Fault.SHORT).code == 50
