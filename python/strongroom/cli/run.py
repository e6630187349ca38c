"""One run of the command line: parse, do, report, and always end in one exit code of the table in docs/guides/cli.md."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import click

from strongroom.cli.failures import describe
from strongroom.cli.report import Report
from strongroom.cli.table import group
from strongroom.cli.words import shown


def run(args: Sequence[str]) -> int:
    """Run `strongroom` with `args`; return the exit code. No exception leaves but SystemExit, unless STRONGROOM_DEBUG=1."""
    report = Report(json="--json" in args)
    try:
        with _signals_interrupt():
            code = group.main(list(args), prog_name="strongroom", standalone_mode=False, obj=report)
        sys.stdout.flush()
        _remind(report)
    except BrokenPipeError:
        return _reader_is_gone()
    except click.UsageError as error:
        return _usage(report, error)
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - the last resort: every end is an exit code and a sentence
        return _failed(report, error)
    return code if isinstance(code, int) else 0


def _remind(report: Report) -> None:
    """Say behind the summary if the room could not be restored as it is now."""
    if report.opened is None or report.quiet or report.json:
        return
    from strongroom.home import as_home, reminder, unreached

    home = as_home(report.opened or None)
    for problem in unreached(home):
        report.aside(f"audit log: {shown(problem)}")
    words = reminder(home)
    if words is not None:
        report.aside(f"{words}: `strongroom backup create FILE` and `strongroom backup verify FILE`")


def _usage(report: Report, error: click.UsageError) -> int:
    if report.json:
        return _failed(report, error)
    error.show()
    return error.exit_code


def _failed(report: Report, error: BaseException) -> int:
    failure = describe(error)
    report.failed(failure, error)
    if failure.is_bug and os.environ.get("STRONGROOM_DEBUG") == "1":
        raise error
    return failure.exit_code


def _reader_is_gone() -> int:
    # what is still buffered has no reader; without this the interpreter would complain about it on its way out
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1


@contextmanager
def _signals_interrupt() -> Iterator[None]:
    """SIGTERM and SIGHUP end a command as Ctrl-C does: the job is cancelled and leaves nothing half-written."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
