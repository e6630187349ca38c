import errno

import click
import pytest
from strongroom import errors
from strongroom.cli.failures import describe

OURS = [
    value
    for value in vars(errors).values()
    if isinstance(value, type)
    and issubclass(value, errors.StrongroomError)
    and value not in {errors.PartialFailure, errors.Cancelled, errors.InternalError}
]

TABLE = {
    errors.StrongroomError: 1,
    errors.Misuse: 2,
    errors.KeyNotFound: 10,
    errors.ClassNotFound: 10,
    errors.RoomLocked: 11,
    errors.BadPassphrase: 12,
    errors.AccessDenied: 13,
    errors.KeyStateForbids: 14,
    errors.AuthenticationFailed: 20,
    errors.RoomTampered: 20,
    errors.TruncatedMessage: 21,
    errors.UnsupportedFormat: 22,
    errors.MalformedMessage: 22,
    errors.BackendUnavailable: 30,
    errors.AuditUnavailable: 30,
}


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_an_error_keeps_its_code(kind: type[errors.StrongroomError]) -> None:
    failure = describe(kind("what happened"))
    assert (failure.code, failure.exit_code, failure.is_bug) == (kind.code, kind.exit_code, False)
    assert failure.message.startswith("what happened")


@pytest.mark.parametrize(("kind", "exit_code"), TABLE.items(), ids=lambda value: getattr(value, "__name__", value))
def test_the_table_of_exit_codes(kind: type[errors.StrongroomError], exit_code: int) -> None:
    assert describe(kind("x")).exit_code == exit_code


def test_several_targets_have_a_code_of_their_own() -> None:
    assert describe(errors.PartialFailure("2 of 3 failed", [])).exit_code == 3


@pytest.mark.parametrize("error", [KeyboardInterrupt(), errors.Cancelled("x"), click.Abort()])
def test_interrupted(error: BaseException) -> None:
    assert describe(error).exit_code == 130


def test_an_operating_system_error_names_the_file() -> None:
    failure = describe(OSError(errno.ENOSPC, "No space left on device", "out.sr"))
    assert (failure.code, failure.exit_code) == ("os.enospc", 1)
    assert failure.message.startswith("out.sr: No space left on device; free some space")


def test_the_next_step_is_said_once() -> None:
    plain = describe(errors.RoomNotFound("there is no room in /x")).message
    assert plain == "there is no room in /x; make one with `strongroom init`, or name it with --home"
    said = "there is no room in /x: `strongroom init` makes one"
    assert describe(errors.RoomNotFound(said)).message == said


def test_an_unforeseen_error_is_our_bug_and_quotes_nothing() -> None:
    failure = describe(RuntimeError("hunter2"))
    assert (failure.exit_code, failure.is_bug) == (1, True)
    assert "this is a bug" in failure.message
    assert "hunter2" not in failure.message
