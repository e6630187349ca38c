"""Asynchronous twins: the same call in a thread, which cancelling stops before any buffer returns to the caller."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast

from strongroom.crypto import Control

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

_Self = TypeVar("_Self")
_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


def twin(
    method: Callable[Concatenate[_Self, _Args], _Result],
) -> Callable[Concatenate[_Self, _Args], Coroutine[Any, Any, _Result]]:
    """The twin of a method that takes a `control`. Cancelling sets its flag and waits until the job has stopped."""

    @functools.wraps(method)
    async def call(self: _Self, /, *args: _Args.args, **kwargs: _Args.kwargs) -> _Result:
        control = cast("Control", kwargs.setdefault("control", Control()))
        job = functools.partial(contextvars.copy_context().run, method, self, *args, **kwargs)
        # a future and no task: the end of `asyncio.run` cancels every task, and would leave the thread at work
        running = asyncio.get_running_loop().run_in_executor(None, job)
        try:
            return await asyncio.shield(running)
        except asyncio.CancelledError:
            control.cancel()
            await _ended(running)
            raise

    call.__name__ = f"a{method.__name__}"
    call.__doc__ = f"`{method.__name__}` in a thread. Cancelling stops it before any buffer returns to the caller."
    return call


async def _ended(running: asyncio.Future[Any]) -> None:
    """Wait for the thread, however often somebody asks us to stop waiting."""
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            continue
    # its outcome is of no interest any more, and asyncio would report it as never retrieved
    if not running.cancelled():
        running.exception()
