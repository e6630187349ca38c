"""Waiting for a secret can be interrupted, and leaves the terminal as it was."""

import os
import signal
import subprocess
import sys
import termios
import threading
from collections.abc import Iterator

import pytest
from strongroom.crypto import Secret

ASK = """
import fcntl, termios
from strongroom.crypto import Secret
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
try:
    Secret.from_prompt("? ")
except KeyboardInterrupt:
    raise SystemExit(130)
"""


@pytest.fixture(name="pipe")
def a_pipe() -> Iterator[tuple[int, int]]:
    """A reader, and a writer that stays open."""
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def test_an_interrupt_ends_the_wait_for_a_secret_that_does_not_come(pipe: tuple[int, int]) -> None:
    with signal_soon(signal.SIGINT), pytest.raises(KeyboardInterrupt):
        Secret.from_fd(pipe[0], strip_newline=True)


def test_another_signal_is_handled_while_the_wait_goes_on() -> None:
    reader, writer = os.pipe()

    def answer(*_: object) -> None:
        os.write(writer, b"word")
        os.close(writer)

    before = signal.signal(signal.SIGUSR1, answer)
    try:
        with signal_soon(signal.SIGUSR1):
            assert Secret.from_fd(reader, strip_newline=True).matches(Secret.from_caller(b"word"))
    finally:
        signal.signal(signal.SIGUSR1, before)
        os.close(reader)


def test_ctrl_c_at_the_prompt_is_an_interrupt_and_brings_echo_back() -> None:
    ours, theirs = os.openpty()
    with subprocess.Popen([sys.executable, "-c", ASK], stdin=theirs, start_new_session=True) as process:
        assert os.read(ours, 16) == b"? "
        # at once, so that now and then it comes before the wait begins
        os.write(ours, b"half a pass\x03")
        assert process.wait(30) == 130
    assert termios.tcgetattr(theirs)[3] & termios.ECHO
    os.set_blocking(ours, False)
    assert b"half" not in os.read(ours, 1024)
    os.close(ours)
    os.close(theirs)


class signal_soon:  # noqa: N801 - reads as a verb
    """Sends this process a signal a little later."""

    def __init__(self, number: int) -> None:
        self.timer = threading.Timer(0.2, os.kill, (os.getpid(), number))

    def __enter__(self) -> None:
        self.timer.start()

    def __exit__(self, *_: object) -> None:
        self.timer.join()
