"""Administration of a room: its keys and its data classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.home import NewWay, drafted
from strongroom.keyservice import WayChange

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strongroom.keyservice import KeyService
    from strongroom.model import DataClass, Key, Request, Way

    Requests = Callable[[str | None], Request]


class Keys:
    """The room's KEKs. Every change is authorised, and recorded with its reason."""

    def __init__(self, service: KeyService, request: Requests) -> None:
        self._service = service
        self._request = request

    def list(self) -> Sequence[Key]:
        """All KEKs with their versions."""
        return self._service.describe(self._request(None)).keys

    def create(self, data_class: str, *, reason: str | None = None) -> Key:
        """Make a new KEK for a data class, which from then on wraps its data keys; older ones still unwrap."""
        return self._service.create_key(self._request(reason), data_class)

    def rotate(self, key_id: str, *, reason: str | None = None) -> Key:
        """Make a new version of a KEK primary. Data under older versions stays readable."""
        return self._service.rotate(self._request(reason), key_id)


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
        reason: str | None = None,
    ) -> DataClass:
        """Make a data class with a KEK of its own. `frame_length` in bytes; a lease ends after `lease_seconds`."""
        return self._service.create_class(
            self._request(reason),
            name,
            suite=suite,
            frame_length=frame_length,
            lease_seconds=lease_seconds,
            max_messages=max_messages,
        )


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
