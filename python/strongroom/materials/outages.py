"""What did not answer, for those who were waiting for the same."""

from __future__ import annotations

import copy
import time
from typing import TYPE_CHECKING, TypeVar

from strongroom.errors import BackendUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Outages:
    """The last failures of backends, by what was fetched from them. Thread-safe.

    The cache lets one caller fetch a key while others wait, and after a failure each of them try for itself. Where a
    backend does not answer, that is one time limit after the other. So they get the failure that came while they waited.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._failed: dict[bytes, tuple[float, BackendUnavailable]] = {}

    def shared(self, key: bytes, fetch: Callable[[], Result]) -> Callable[[], Result]:
        """`fetch`, for a caller that asks for `key` now and may have to wait for its turn."""
        asked = time.monotonic()

        def shared() -> Result:
            ended, error = self._failed.get(key, (asked, None))
            if error is not None and ended > asked:
                raise copy.copy(error)
            try:
                fetched = fetch()
            except BackendUnavailable as error:
                self._note(key, error)
                raise
            self._failed.pop(key, None)
            return fetched

        return shared

    def _note(self, key: bytes, error: BackendUnavailable) -> None:
        if len(self._failed) >= self._capacity:
            # who waits for one of these tries for itself
            self._failed.clear()
        # without what it was raised from and through, which may hold much
        self._failed[key] = (time.monotonic(), copy.copy(error))
