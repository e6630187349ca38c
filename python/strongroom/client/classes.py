"""The data classes of a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strongroom.keyservice import KeyService
    from strongroom.model import DataClass, Request

    Requests = Callable[[str | None], Request]


class Classes:
    """The room's data classes: what kinds of data there are, and how each is protected."""

    def __init__(self, service: KeyService, request: Requests) -> None:
        self._service = service
        self._request = request

    def list(self) -> Sequence[DataClass]:
        """All data classes."""
        return self._service.describe(self._request(None)).classes

    def show(self, name: str) -> DataClass:
        """One data class; raises `KeyNotFound`."""
        return self._service.data_class(self._request(None), name)

    def create(
        self,
        name: str,
        *,
        suite: int = 0x0478,
        frame_length: int = 65536,
        lease_seconds: int = 300,
        max_messages: int = 2**32,
        scope_keys: Sequence[str] = (),
        open: bool = False,  # noqa: A002 - as the setting is called
        reason: str | None = None,
        **settings: int | str,
    ) -> DataClass:
        """Make a data class with a KEK of its own. `frame_length` in bytes; a lease ends after `lease_seconds`.

        With `scope_keys` each scope has a KEK: one that is registered, or in an `open` class any. `settings` are others of
        `DataClass`, periods in seconds: `rotate_every`, `originator_usage`, `recipient_usage`, `destroy_wait`, `census_age`,
        `max_wraps`, `max_bytes`. `level` is `software`, `hsm-root` or `hsm`, and `token` the PKCS#11 URI of the token that holds the
        KEKs of the last, by default the one that opens the room.
        """
        return self._service.create_class(
            self._request(reason),
            name,
            suite=suite,
            frame_length=frame_length,
            lease_seconds=lease_seconds,
            max_messages=max_messages,
            scope_keys=tuple(scope_keys),
            open=open,
            **settings,
        )

    def set(self, name: str, *, reason: str | None = None, **settings: int | str) -> DataClass:
        """Change settings of a class, for what happens from now on: all of `create` but the scope keys.

        A shorter lease does not shorten those that are open. Another `level` or `token` makes a new version of every key of the
        class; `reencrypt` moves what stands under the old ones.
        """
        return self._service.set_class(self._request(reason), name, **settings)
