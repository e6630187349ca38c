"""Run the command line in a child that was forked from a warm interpreter."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Iterator, Sequence

import strongroom.cli.run
from strongroom import crypto

from torture.place import Place


class Command:
    """One command of the CLI in a place, as functions for a child. Where stderr goes is read when it has ended."""

    def __init__(self, place: Place, arguments: Sequence[object]) -> None:
        self._place = place
        self._arguments = [str(argument) for argument in arguments]
        self._stdout = place.folder / "stdout"
        self._stderr = place.folder / "stderr"

    def ready(self) -> None:
        """Give this process the streams, the environment and the directory of a command."""
        for number, name, flags in (
            (0, os.devnull, os.O_RDONLY),
            (1, self._stdout, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
            (2, self._stderr, os.O_WRONLY | os.O_CREAT | os.O_TRUNC),
        ):
            descriptor = os.open(name, flags, 0o600)
            os.dup2(descriptor, number)
            os.close(descriptor)
        sys.stdin, sys.stdout = open(0, closefd=False), open(1, "w", closefd=False)  # noqa: SIM115
        sys.stderr = open(2, "w", closefd=False, errors="backslashreplace")  # noqa: SIM115
        os.environ.clear()
        os.environ.update(self._place.environment())
        os.chdir(self._place.folder / "cwd")

    def work(self) -> int:
        """Run the command as `strongroom.cli.main` does, and end as the interpreter does."""
        code = strongroom.cli.run.run(self._arguments)
        try:
            sys.stdout.flush()
        except OSError:
            return NOT_FLUSHED
        return code

    def warm_up(self) -> int:
        """Run it in this process, so that all is loaded that it loads."""
        with (
            surroundings(self._place),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            return strongroom.cli.run.run(self._arguments)

    def said(self) -> str:
        """What it wrote to stderr."""
        return self._stderr.read_text(errors="replace")

    def printed(self) -> str:
        """What it wrote to stdout."""
        return self._stdout.read_text(errors="replace")


@contextlib.contextmanager
def traceable() -> Iterator[None]:
    """Children may be traced: a process that forbids core dumps is closed to a tracer without privileges, too."""
    forbid = crypto.disable_core_dumps
    if os.geteuid() != 0:
        crypto.disable_core_dumps = nothing
    try:
        yield
    finally:
        crypto.disable_core_dumps = forbid


@contextlib.contextmanager
def surroundings(place: Place) -> Iterator[None]:
    """This process as a command sees it; without the calls that forbid core dumps for the rest of its life."""
    environment, forbid = dict(os.environ), crypto.disable_core_dumps
    os.environ.update(place.environment())
    crypto.disable_core_dumps = nothing
    try:
        yield
    finally:
        crypto.disable_core_dumps = forbid
        os.environ.clear()
        os.environ.update(environment)


def nothing() -> None:
    """Does nothing."""


NOT_FLUSHED = 120
