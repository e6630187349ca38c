"""A room as a keyring, for messages that others shall open as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.crypto import DataKey, Edk
    from strongroom.keyservice import KeyService
    from strongroom.model import Request


class RoomKeyring:
    """Data keys of one data class, each given out by the keyservice: authorised, recorded, then released."""

    def __init__(self, service: KeyService, request: Request, data_class: str = "default") -> None:
        self._service = service
        self._request = request
        self._data_class = data_class

    def generate(self, length: int, context: Mapping[str, str]) -> tuple[DataKey, list[Edk]]:
        """A data key of the room and its EDK."""
        generated = self._service.generate_dek(self._request, self._data_class, context, key_length=length)
        return generated.data_key, [generated.edk]

    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]:
        """Refused: a room wraps only data keys that it made itself. Make it the generator of a `MultiKeyring`."""
        raise Misuse("a room wraps only data keys of its own: make it the generator")

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        """The data key of the EDK that this room wrapped."""
        return self._service.unwrap_dek(self._request, edks, context).data_key

    def __repr__(self) -> str:
        return f"RoomKeyring({self._data_class!r})"
