"""The KEKs at work in this process: those that it has unwrapped, and those that work in their tokens."""

from __future__ import annotations

import os
import threading
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Protocol

from strongroom.errors import KeyUnavailable
from strongroom.keys import KeyName
from strongroom.keyservice.authorship import OursAlone
from strongroom.keyservice.roots import unwrapped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import DataKey, Edk
    from strongroom.keys import TokenKek
    from strongroom.keyservice.authorship import Signer
    from strongroom.keystore import VersionRecord
    from strongroom.providers import Root


class Kek(Protocol):
    """A KEK at work: an `AesWrappingKey`, or a key in a token."""

    def wrap(self, data_key: DataKey, namespace: str, name: str, context: Mapping[str, str]) -> Edk:
        """`data_key` wrapped and bound to `context`; its EDK names the KEK by `name`."""
        ...

    def unwrap(self, edk: Edk, namespace: str, name: str, context: Mapping[str, str]) -> DataKey:
        """The data key in `edk`. Raises AuthenticationFailed."""
        ...

    def close(self) -> None:
        """Wipe it, or let go of its token."""
        ...


class Keks:
    """Unwraps each KEK and keeps it in locked memory, for as long as the root lends it. Thread-safe.

    One in a token is never unwrapped: it is kept as a connection.
    """

    def __init__(self, root: Root, room_id: str, signer: Signer) -> None:
        self._root = root
        self._room_id = room_id
        self._signer = signer
        self._lock = threading.Lock()
        self._process = os.getpid()
        self._closed = False
        self._keks: dict[KeyName, Kek] = {}
        self._ends: dict[KeyName, float] = {}
        self._places: dict[KeyName, str | None] = {}
        self._forgotten = 0

    def of(self, record: VersionRecord, token: str | None) -> Kek:
        """The KEK of a version; `token` says where its token is now. Raises RoomTampered for one that our root did not wrap."""
        name = KeyName(record.key_id, record.version)
        with self._lock:
            self._check_open()
            self._let_go()
            in_token = record.token_kek
            if in_token is not None:
                return self._in_token(name, in_token, token)
            if name in self._keks:
                return self._keks[name]
            root, forgotten, now = self._root, self._forgotten, clock()
        # nobody waits here for a token that does not answer somebody else
        kek = unwrapped(record, self._room_id, root)
        with self._lock:
            self._check_open()
            if self._forgotten != forgotten or name in self._keks:
                return self._keks.get(name, kek)
            self._keks[name] = kek
            if root.lease_seconds is not None:
                self._ends[name] = now + root.lease_seconds
            return kek

    def _check_open(self) -> None:
        if self._closed:
            raise KeyUnavailable("this room was closed: open it again")

    def _in_token(self, name: KeyName, kek: TokenKek, token: str | None) -> Kek:
        """A KEK in its token. Where the class says by now that the token is elsewhere, one that goes there."""
        from strongroom.providers.pkcs11 import TokenKekAtWork

        known = self._keks.get(name)
        if known is not None and self._places[name] == token:
            return known
        at_work = TokenKekAtWork(kek, token)
        self._places[name] = token
        self._keks[name] = OursAlone(at_work, self._signer, self._room_id) if kek.scheme in ANYBODYS else at_work
        if known is not None:
            known.close()
        return self._keks[name]

    def _let_go(self) -> None:
        """Drop what was lent for a time that is over. A KEK that another thread is using is wiped when it is done."""
        now = clock()
        for name in [name for name, end in self._ends.items() if end <= now]:
            del self._keks[name], self._ends[name]

    def under(self, root: Root) -> None:
        """Unwrap with another root from now on: the KEKs themselves stay what they are."""
        with self._lock:
            self._root = root

    def forget(self, name: KeyName) -> None:
        """Wipe a KEK that may not be used any more."""
        with self._lock:
            kek = self._keks.pop(name, None)
            self._ends.pop(name, None)
            self._forgotten += 1
        if kek is not None:
            kek.close()

    def close(self) -> None:
        """Wipe all."""
        # in a forked child, a thread that is not there may hold the lock
        with self._lock if self._process == os.getpid() else nullcontext():
            self._closed = True
            keks, self._keks = self._keks, {}
        for kek in keks.values():
            kek.close()


ANYBODYS = frozenset({"rsa-oaep-sha256"})
"""Schemes by which whoever likes can wrap."""


def clock() -> float:
    """Seconds that go on while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
