"""The scopes of a room: each has a key of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.keyservice import About

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from strongroom.keyservice import KeyService
    from strongroom.model import Key, Request

    Requests = Callable[[str | None], Request]


class Scopes:
    """Values of the context keys that a data class names, such as its tenants. To register a scope is to make its key."""

    def __init__(self, service: KeyService, request: Requests) -> None:
        self._service = service
        self._request = request

    def list(self, data_class: str | None = None) -> Sequence[Key]:
        """The current keys of all registered scopes, or of those of one class."""
        keys = self._service.describe(self._request(None)).keys
        wanted = [key for key in keys if key.scope is not None and key.current]
        return [key for key in wanted if data_class in {None, key.data_class}]

    def register(
        self,
        data_class: str,
        scope: Mapping[str, str],
        *,
        owner: str | None = None,
        contact: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> Key:
        """Make the key of a new scope. Raises `Misuse` for one that is registered, or does not have the class's scope keys."""
        about = About(owner=owner, contact=contact, description=description, tags=tags)
        return self._service.create_key(self._request(reason), data_class, scope=scope, about=about, replacing=False)
