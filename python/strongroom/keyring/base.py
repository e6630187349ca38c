"""What every keyring can do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from strongroom.crypto import DataKey, Edk

from strongroom.errors import AuthenticationFailed, KeyNotFound


class Keyring(Protocol):
    """Wraps data keys for writers and unwraps them for readers; the data key itself stays in locked memory."""

    def generate(self, length: int, context: Mapping[str, str]) -> tuple[DataKey, list[Edk]]:
        """Make a data key of so many bytes and wrap it under this encryption context."""
        ...

    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]:
        """Wrap a data key under this encryption context, once for every key that shall open it."""
        ...

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        """Unwrap the first EDK that this keyring can.

        Raises `KeyNotFound` if none is its own, `AuthenticationFailed` if one seemed to be and did not verify.
        """
        ...


def first_that_opens(edks: Iterable[Edk], unwrap: Callable[[Edk], DataKey], who: str) -> DataKey:
    """The data key of the first EDK that `unwrap` opens; `edks` are those that carry the keyring's name."""
    tried = False
    for edk in edks:
        tried = True
        try:
            return unwrap(edk)
        except AuthenticationFailed:
            continue
    if tried:
        raise AuthenticationFailed("authentication failed")
    raise KeyNotFound(f"none of the message's encrypted data keys is for {who}")
