"""A room that remembers what it was asked for."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import Any

from strongroom.client.room import Room


class FakeRoom:
    """Records calls; answers with `result` or raises `error`."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.opened_with: dict[str, Any] = {}
        self._error = error

    def __enter__(self) -> FakeRoom:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def __getattr__(self, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> object:
            # a call that the real room would not take is a failure here too
            inspect.signature(getattr(Room, name)).bind(self, *args, **kwargs)
            self.calls.append((name, args, kwargs))
            if self._error is not None:
                raise self._error
            return tree_result() if name.endswith("_tree") else file_result()

        return call


class FakeControl:
    """Counters of a job that nobody runs."""

    def __init__(self, workers: int | None = None) -> None:
        self.workers = workers
        self.cancelled = False
        self.bytes_done = self.bytes_total = self.files_done = self.files_total = 0

    def cancel(self) -> None:
        self.cancelled = True


def file_result() -> SimpleNamespace:
    return SimpleNamespace(
        source="a",
        target="a.sr",
        plaintext_bytes=1000,
        message_bytes=1200,
        frames=1,
        message_id="ab" * 32,
        data_class="default",
        key_id="key",
        key_version=1,
        seconds=0.5,
    )


def tree_result(**changed: Any) -> SimpleNamespace:
    facts: dict[str, Any] = {
        "files": 24312,
        "directories": 3,
        "links": 1,
        "plaintext_bytes": 2040109466,
        "message_bytes": 2041109466,
        "skipped": [],
        "failures": [],
        "resumed": 0,
        "seconds": 2.1,
    }
    return SimpleNamespace(**facts | changed)
