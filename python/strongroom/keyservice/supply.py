"""KEKs that come and go in tokens with a change of the keystore.

They are made before it begins: a token may take its time, and a change keeps all others out. Those that a change destroys are
destroyed inside it: what the keystore says is gone must be.

A change that finds no KEK takes nothing, and is tried again once one was made. What it did not take in the end is destroyed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from strongroom.errors import StrongroomError
from strongroom.keys import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.keys import TokenKek


class SupplyShortError(Exception):
    """A change wants a KEK in this token."""

    def __init__(self, token: str) -> None:
        super().__init__(token)
        self.token = token


class Supply:
    """The KEKs at hand for one change, which may be tried several times."""

    def __init__(self) -> None:
        self._given: list[tuple[str, TokenKek]] = []
        self._made: list[tuple[str, TokenKek]] = []
        self._left: list[tuple[str, TokenKek]] = []

    def begin(self) -> None:
        """The change is tried from the beginning."""
        self._left = self._given + self._made

    def take(self, token: str) -> TokenKek:
        """A KEK in the token. Raises SupplyShortError."""
        for found in self._left:
            if found[0] == token:
                self._left.remove(found)
                return found[1]
        raise SupplyShortError(token)

    def give(self, token: str, kek: TokenKek) -> None:
        """One that was in the token before, and stays there if the change does not take it."""
        self._given.append((token, kek))

    def make(self, token: str, room_id: str) -> None:
        """One more. Its name in the token says whose it is, and no more."""
        from strongroom.providers.pkcs11 import make_kek

        self._made.append((token, make_kek(token, kek_prefix(room_id) + new_id()[:16])))

    def committed(self) -> None:
        """What was taken is the keystore's now."""
        self._made = [made for made in self._made if made in self._left]

    def close(self) -> None:
        """Destroy what is left. A token that cannot be reached any more keeps a key that nothing names."""
        if not self._made:
            return
        from strongroom.providers.pkcs11 import destroy_kek

        for _, kek in self._made:
            with suppress(StrongroomError, OSError):
                destroy_kek(kek)
        self._made = []


def kek_prefix(room_id: str) -> str:
    """What the labels of a room's KEKs in tokens begin with."""
    return f"strongroom/{room_id[:8]}/"


def destroy(gone: Sequence[tuple[TokenKek, str | None]]) -> None:
    """Destroy KEKs in their tokens, each with where its token is now. Raises ProviderUnavailable, BadPassphrase."""
    if not gone:
        return
    from strongroom.providers.pkcs11 import destroy_kek

    for kek, token in gone:
        destroy_kek(kek, token)
