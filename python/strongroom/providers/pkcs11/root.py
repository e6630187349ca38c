"""The root of a room behind tokens. It is unwrapped for a moment whenever it has to wrap or unwrap, and wiped again."""

from __future__ import annotations

import secrets
import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from strongroom.errors import (
    BackendUnavailable,
    BadPassphrase,
    KeyNotFound,
    Misuse,
    RoomLocked,
    RoomTampered,
    RoomUnsafe,
)
from strongroom.providers.pkcs11.connections import CONNECTIONS
from strongroom.providers.pkcs11.entry import KIND, fits, unwrapped_root, uri_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.crypto import AesWrappingKey, MacKey, RootKey
    from strongroom.providers.pkcs11.uri import TokenUri
    from strongroom.providers.sealed import Entry, Seal, SealedRoot
    from strongroom.providers.software import SoftwareRoot


@dataclass(slots=True)
class Standing:
    """What became of a token when it was asked: when that was, how often it has failed since, and until when others come first.

    `inside` has the beginnings of the calls that it has not answered yet.
    """

    asked: float = 0.0
    failures: int = 0
    avoided_until: float = 0.0
    inside: list[float] = field(default_factory=list)

    def is_slow(self, now: float) -> bool:
        """Whether it lets somebody wait for longer than a token does that is well: it may have hung."""
        return any(now - begun > SLOW for begun in self.inside)

    def answered(self) -> None:
        """It gave the key."""
        self.asked, self.failures, self.avoided_until = time.monotonic(), 0, 0.0

    def failed(self) -> None:
        """It did not: it is left alone for twice as long each time, more or less, lest all that lost it come back at once."""
        self.asked, self.failures = time.monotonic(), self.failures + 1
        pause = min(AVOIDED * 2 ** (self.failures - 1), LONGEST_AVOIDED)
        self.avoided_until = self.asked + pause * (0.75 + secrets.randbelow(500) / 1000)


class TokenRoot:
    """A root that one of several tokens unwraps. Thread-safe. A token that fails is asked last for a while.

    So a KEK comes into memory through the token alone, and no KEK that was not in use can be had from this process's memory.
    """

    in_token = True
    lease_seconds = 60.0
    """How long a KEK that this root has unwrapped is used before the token is asked again."""

    def __init__(self, sealed: SealedRoot, given: TokenUri | None = None) -> None:
        self._sealed = sealed
        self._given = given
        self._lock = threading.Lock()
        self._taking = threading.Lock()
        self._entries = token_entries(sealed, given)
        self._standings = {entry.way: Standing() for entry in self._entries}
        self.way = ""
        self._held = ExitStack()
        self._holding: set[str] = set()
        try:
            self._opened().close()
        except BaseException:
            self._held.close()
            raise

    @property
    def version(self) -> int:
        """The version of the root, recorded with everything that it wraps."""
        return self._sealed.version

    @property
    def degraded(self) -> tuple[str, ...]:
        """The ids of the ways whose tokens did not answer when they were asked last, or let somebody wait now."""
        now = time.monotonic()
        with self._lock:
            return tuple(way for way, standing in self._standings.items() if standing.failures or standing.is_slow(now))

    def standing(self) -> dict[str, bool]:
        """Whether the token of each way gave the root when it was asked last.

        Those that nobody has asked for a minute are asked now, but for one that has failed and is left alone for a while.
        """
        for entry in self._unasked():
            try:
                self._by(entry).close()
            except (*FAILURES, RoomTampered):
                self._failed(entry)
            else:
                self._answered(entry)
        down = self.degraded
        return {way: way not in down for way in self._standings}

    def wrap_kek(self, key: AesWrappingKey, binding: bytes) -> bytes:
        """`key` wrapped by AES-256-GCM and bound to `binding`."""
        with self._key() as root:
            return root.wrap_kek(key, binding)

    def unwrap_kek(self, wrapped: bytes, binding: bytes) -> AesWrappingKey:
        """The KEK in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        with self._key() as root:
            return root.unwrap_kek(wrapped, binding)

    def wrap_mac_key(self, key: MacKey, binding: bytes) -> bytes:
        """`key` wrapped by AES-256-GCM and bound to `binding`."""
        with self._key() as root:
            return root.wrap_mac_key(key, binding)

    def unwrap_mac_key(self, wrapped: bytes, binding: bytes) -> MacKey:
        """The MAC key in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        with self._key() as root:
            return root.unwrap_mac_key(wrapped, binding)

    def backup_key(self) -> AesWrappingKey:
        """The key that wraps the data keys of backups."""
        with self._key() as root:
            return root.backup_key()

    def with_way(self, sealed: SealedRoot, seal: Seal) -> SealedRoot:
        """`sealed`, which is this root, with another way in."""
        with self._key() as root:
            return sealed.with_way(root, seal)

    def heir(self, fresh: SoftwareRoot, sealed: SealedRoot) -> SoftwareRoot | TokenRoot:
        """What works with the next root: its tokens, where there are some, rather than the key in memory."""
        if not token_entries(sealed, self._given):
            return fresh
        try:
            after = TokenRoot(sealed, self._given)
        except FAILURES:
            # the root was rotated, whatever tokens say now; whoever opens the room next asks them
            return fresh
        fresh.close()
        return after

    def close(self) -> None:
        """End the sessions with the tokens."""
        self._held.close()

    @contextmanager
    def _key(self) -> Iterator[RootKey]:
        key = self._opened()
        try:
            yield key
        finally:
            key.close()

    def _opened(self) -> RootKey:
        """The root from the first token that gives it. Raises what the first of them said if none does."""
        first: Exception | None = None
        for entry in self._in_order():
            try:
                key = self._by(entry)
            except FAILURES as error:
                self._failed(entry)
                first = first or error
                continue
            self._answered(entry)
            self.way = entry.way
            return key
        raise first or RoomLocked("no token opens this room: give a passphrase file, a key file or a recovery kit")

    def _by(self, entry: Entry) -> RootKey:
        uri = uri_of(entry.parameters, self._given)
        inside, begun = self._standings[entry.way].inside, time.monotonic()
        with self._lock:
            inside.append(begun)
        try:
            self._hold(entry.way, uri)
            return unwrapped_root(entry.sealed, self._sealed.room_id, self.version, entry.parameters, uri)
        finally:
            with self._lock:
                inside.remove(begun)

    def _hold(self, way: str, uri: TokenUri) -> None:
        """Stay connected for as long as this lives, so that the PIN is needed once."""
        if way in self._holding:
            return
        with self._taking:
            if way not in self._holding:
                CONNECTIONS.take(uri)
                self._held.callback(CONNECTIONS.give_back, uri)
                self._holding.add(way)

    def _answered(self, entry: Entry) -> None:
        with self._lock:
            self._standings[entry.way].answered()

    def _failed(self, entry: Entry) -> None:
        with self._lock:
            self._standings[entry.way].failed()

    def _unasked(self) -> list[Entry]:
        now = time.monotonic()
        with self._lock:
            return [
                entry
                for entry in self._entries
                if now >= self._standings[entry.way].avoided_until
                and not self._standings[entry.way].inside
                and now - self._standings[entry.way].asked > KNOWN_FOR
            ]

    def _in_order(self) -> list[Entry]:
        """The entries in the order of the file, those last whose tokens have failed lately or let somebody wait now."""
        now = time.monotonic()

        def is_last(entry: Entry) -> bool:
            standing = self._standings[entry.way]
            return standing.avoided_until > now or standing.is_slow(now)

        with self._lock:
            return sorted(self._entries, key=is_last)


def token_entries(sealed: SealedRoot, given: TokenUri | None = None) -> list[Entry]:
    """The entries that a token opens, those alone that `given` names if it is given."""
    return [
        entry for entry in sealed.entries if entry.kind == KIND and (given is None or fits(entry.parameters, given))
    ]


# what another token may not have, or make up for
FAILURES = (BackendUnavailable, KeyNotFound, Misuse, BadPassphrase, RoomLocked, RoomUnsafe, OSError)
SLOW = 0.5
"""Seconds after which a token that has not answered counts as one that does not: others are asked first meanwhile."""
AVOIDED = 30.0
"""Seconds for which a token that has failed once is asked after the others."""
LONGEST_AVOIDED = 480.0
KNOWN_FOR = 60.0
"""Seconds for which it is taken to stand as it did when it was asked."""
