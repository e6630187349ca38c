"""From an exception to what a user reads: a stable code, one sentence, an exit code."""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from dataclasses import dataclass

import click

from strongroom.cli.words import shown
from strongroom.errors import Cancelled, InternalError, StrongroomError


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong: `code` for scripts, `message` for people, `exit_code` for the shell."""

    code: str
    message: str
    exit_code: int
    is_bug: bool = False

    def as_json(self) -> dict[str, object]:
        """Make the `error` object of `--json`."""
        return {"code": self.code, "message": self.message, "exit_code": self.exit_code}


def describe(error: BaseException) -> Failure:
    """Say which failure `error` means. What nobody foresaw is our bug and says so."""
    if isinstance(error, Cancelled | KeyboardInterrupt | click.Abort):
        return Failure("interrupted", "interrupted; nothing unfinished was left behind", Cancelled.exit_code)
    if isinstance(error, StrongroomError) and not isinstance(error, InternalError):
        return Failure(error.code, _with_next_step(error), error.exit_code)
    if isinstance(error, click.ClickException):
        return Failure("usage", error.format_message(), error.exit_code)
    if isinstance(error, OSError):
        return Failure(_os_code(error), _os_message(error), 1)
    return Failure(InternalError.code, f"this is a bug in strongroom ({_name(error)}): {REPORT_IT}", 1, is_bug=True)


def as_items(failures: Sequence[tuple[str, Exception]]) -> list[dict[str, object]]:
    """List the targets that failed, each with its code."""
    return [{"path": os.fsdecode(target)} | describe(error).as_json() for target, error in failures]


def _with_next_step(error: StrongroomError) -> str:
    message = str(error).rstrip(".") or error.code
    step = NEXT_STEPS.get(error.code)
    return f"{message}; {step}" if step and not _says_what_next(message) else message


def _says_what_next(message: str) -> bool:
    """Whether the layer that raised has named a command or an option already."""
    return "`" in message or "--" in message or ";" in message


def _os_code(error: OSError) -> str:
    return f"os.{errno.errorcode.get(error.errno or 0, 'error').lower()}"


def _os_message(error: OSError) -> str:
    what = error.strerror or str(error)
    where = f"{shown(error.filename)}: " if error.filename is not None else ""
    step = OS_NEXT_STEPS.get(error.errno or 0)
    return f"{where}{what}; {step}" if step else f"{where}{what}"


def _name(error: BaseException) -> str:
    """Name the class alone: the text of an unforeseen exception might quote what it was given."""
    return type(error).__name__


REPORT_IT = "please report it; STRONGROOM_DEBUG=1 shows where it happened"

NEXT_STEPS = {
    "room.not-found": "make one with `strongroom init`, or name it with --home",
    "room.exists": "it is left as it is; name another place with --home",
    "class.not-found": "`strongroom classes list` shows what there is, and `strongroom classes create` makes one",
    "key.not-found": "`strongroom why FILE` shows which key it needs",
    "key.state": "`strongroom keys show KEY_ID` tells how it came to that",
    "authentication": "the data, its context or its key is not what it was encrypted with; nothing was written",
    "format.truncated": "fetch it again from where it came from",
    "format.malformed": "it is damaged or not a message; `strongroom inspect FILE` shows what can be read",
    "target.exists": "use --force to replace it",
    "source.changed": "run again when nobody writes to it",
}

OS_NEXT_STEPS = {
    errno.ENOSPC: "free some space and run again; no half of a file was left behind",
    errno.EDQUOT: "your quota is used up; free some space and run again",
    errno.EFBIG: "the file system or `ulimit -f` does not allow a file of this size",
    errno.EROFS: "choose a place that can be written",
    errno.EACCES: "check its permissions",
    errno.EISDIR: "name a file",
    errno.ENOTDIR: "a part of this path is a file; name a directory",
    errno.ENOENT: "check the path",
}
