"""A deadline for calls into python-pkcs11, which has none: whoever does not return is left alone in a thread of its own."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from strongroom.errors import TokenFault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")


class Patience:
    """How long one module is waited for, and how many calls are inside it."""

    def __init__(self) -> None:
        self._lock = threading.Condition()
        self._inside = 0
        self._shut = False
        self._late = 0

    @property
    def idle(self) -> bool:
        """Whether no call is inside."""
        return self._inside == 0

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Keep others out until the end. Raises TokenFault where somebody is inside and does not come out in time."""
        with self._lock:
            if not self._lock.wait_for(lambda: self._inside == 0 and not self._shut, CALL):
                raise TokenFault("earlier calls have not returned yet", "stuck")
            self._shut = True
        try:
            yield
        finally:
            with self._lock:
                self._shut = False
                self._lock.notify_all()

    def within(self, what: str, work: Callable[[], Result]) -> Result:
        """What `work` gives, or raises. Raises TokenFault at the deadline.

        The thread is no part of the interpreter's end: it may be inside the module for ever.
        """
        with self._lock:
            if self._late >= MOST_LATE or not self._lock.wait_for(lambda: not self._shut, CALL):
                raise TokenFault("earlier calls have not returned yet", "stuck")
            self._inside += 1
        outcome: list[Result | BaseException] = []
        done = threading.Event()
        late = threading.Event()

        def run() -> None:
            try:
                outcome.append(work())
            except BaseException as error:  # noqa: BLE001 - raised again by who waits
                outcome.append(error)
            with self._lock:
                self._inside -= 1
                self._late -= late.is_set()
                done.set()
                self._lock.notify_all()

        threading.Thread(target=run, name="strongroom-pkcs11", daemon=True).start()
        if not done.wait(CALL):
            with self._lock:
                if not done.is_set():
                    late.set()
                    self._late += 1
                    raise TokenFault(f"{what} did not return in time", "late")
        [result] = outcome
        if isinstance(result, BaseException):
            raise result
        return result


CALL = 10.0
"""Seconds for one call: a network HSM that is well answers in a fraction of one."""
TRYING = 20.0
"""Seconds until what goes wrong again and again is given up."""
MOST_LATE = 8
