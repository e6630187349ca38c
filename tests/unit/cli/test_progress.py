import io
import sys
from typing import TYPE_CHECKING, cast

import pytest
from strongroom.cli import progress
from unit.cli.fakes import FakeControl

if TYPE_CHECKING:
    from strongroom import Control


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("wanted", "stream"), [(False, Terminal()), (True, io.StringIO())])
def test_nothing_is_shown_unless_wanted_and_at_a_terminal(
    wanted: bool, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "WORTH_SHOWING", 0.0)
    with progress.shown_progress("encrypt", wanted=wanted) as show:
        show(halfway())
    assert stream.getvalue() == ""


def test_a_terminal_sees_files_bytes_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(progress, "WORTH_SHOWING", 0.0)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress.shown_progress("encrypt", wanted=True) as show:
        show(halfway())
    screen = terminal.getvalue()
    assert "encrypt 1 of 3 files" in screen
    assert "1.0/2.0 MiB" in screen


def test_a_short_job_shows_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress.shown_progress("encrypt", wanted=True) as show:
        show(halfway())
    assert terminal.getvalue() == ""


def test_planned_time_is_shown_with_what_is_going_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with progress.shown_time(60.0, wanted=True) as show:
        show("files of 64 MiB")
    assert "files of 64 MiB" in terminal.getvalue()


@pytest.mark.parametrize(("wanted", "stream"), [(False, Terminal()), (True, io.StringIO())])
def test_planned_time_is_not_shown_elsewhere(
    wanted: bool, stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", stream)
    with progress.shown_time(60.0, wanted=wanted) as show:
        show("files")
    assert stream.getvalue() == ""


def halfway() -> "Control":
    control = FakeControl()
    control.bytes_done, control.bytes_total = 1 << 20, 2 << 20
    control.files_done, control.files_total = 1, 3
    return cast("Control", control)
