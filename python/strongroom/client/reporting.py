"""Messages that do not authenticate under a key that was released for them: told to the audit log before the caller hears."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar

from strongroom.errors import AuthenticationFailed, PartialFailure

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.client.room import Room

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


def reporting(
    method: Callable[Concatenate[Room, _Args], _Result],
) -> Callable[Concatenate[Room, _Args], _Result]:
    """A method of a room that reads messages. Of many that fail in one call, the log gets one entry."""

    @functools.wraps(method)
    def call(self: Room, /, *args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        try:
            return method(self, *args, **kwargs)
        except (AuthenticationFailed, PartialFailure) as error:
            refused = first_refused(error)
            if refused is not None:
                self.note_refused(refused, reason=str(kwargs.get("reason") or ""))
            raise

    return call


def first_refused(error: Exception) -> AuthenticationFailed | None:
    """The first message that did not authenticate, of one or of several failures."""
    failures = [each for _, each in error.failures] if isinstance(error, PartialFailure) else [error]
    return next((each for each in failures if isinstance(each, AuthenticationFailed)), None)
