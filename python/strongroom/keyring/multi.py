"""Several keyrings as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.errors import AuthenticationFailed, KeyNotFound, Misuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.crypto import DataKey, Edk
    from strongroom.keyring.base import Keyring


class MultiKeyring:
    """Every keyring wraps the same data key; on reading, the first that can unwrap it wins.

    If any of them fails to wrap, nothing is written. `generator` comes first and may be None where only reading is
    meant.
    """

    def __init__(self, generator: Keyring | None, children: Sequence[Keyring] = ()) -> None:
        self._keyrings = [*([generator] if generator is not None else []), *children]
        if not self._keyrings:
            raise Misuse("a multi-keyring holds at least one keyring")

    def generate(self, length: int, context: Mapping[str, str]) -> tuple[DataKey, list[Edk]]:
        """The data key of the first keyring, wrapped by all."""
        data_key, edks = self._keyrings[0].generate(length, context)
        return data_key, edks + [edk for keyring in self._keyrings[1:] for edk in keyring.wrap(data_key, context)]

    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]:
        """The EDKs of all keyrings, in their order."""
        return [edk for keyring in self._keyrings for edk in keyring.wrap(data_key, context)]

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        """The data key from the first keyring that unwraps one of the EDKs."""
        failures: list[KeyNotFound | AuthenticationFailed] = []
        for keyring in self._keyrings:
            try:
                return keyring.unwrap(edks, context)
            except (KeyNotFound, AuthenticationFailed) as error:
                failures.append(error)
        # one that seemed to fit and failed says more than those that never did
        raise next((f for f in failures if isinstance(f, AuthenticationFailed)), failures[0])

    def __repr__(self) -> str:
        return f"MultiKeyring({self._keyrings!r})"
