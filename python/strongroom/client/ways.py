"""The ways into a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.home import NewWay, drafted
from strongroom.keyservice import WayChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strongroom.keyservice import KeyService
    from strongroom.model import Request, Way

    Requests = Callable[[str | None], Request]


class Ways:
    """The ways into the room: passphrases, key files, recovery kits, quorums. Any one opens it."""

    def __init__(self, service: KeyService, request: Requests) -> None:
        self._service = service
        self._request = request

    def list(self) -> Sequence[Way]:
        """All ways, in the order in which they were added."""
        return self._service.ways(self._request(None))

    def add(self, new: NewWay, *, reason: str | None = None) -> str | None:
        """Let `new` open the room as well. Gives the words of a new recovery kit that goes to no file, once."""
        return self._changed(new, (), force=False, reason=reason)

    def change(self, way: str, new: NewWay, *, force: bool = False, reason: str | None = None) -> str | None:
        """Put `new` in the place of the way with this id, in one step. The old secret opens older copies of the room still.

        Raises `Misuse` where the last recovery kit would go and be replaced by none, unless `force`.
        """
        return self._changed(new, (way,), force=force, reason=reason)

    def remove(self, way: str, *, force: bool = False, reason: str | None = None) -> None:
        """Close the way with this id.

        Raises `Misuse` for the way by which this room was opened, and for the last recovery kit unless `force`.
        """
        self._service.change_ways(self._request(reason), WayChange(remove=(way,), force=force))

    def _changed(self, new: NewWay, remove: tuple[str, ...], *, force: bool, reason: str | None) -> str | None:
        with drafted([new]) as [draft]:
            self._service.change_ways(self._request(reason), WayChange((draft.seal,), remove, force))
            return draft.words
