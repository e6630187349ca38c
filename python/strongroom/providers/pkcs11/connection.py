"""What a process does with one token, through a login that it shares: use keys, make, find and destroy them."""

from __future__ import annotations

import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom.providers.pkcs11.keys import TokenKeys
from strongroom.providers.pkcs11.login import as_text
from strongroom.providers.pkcs11.sessions import Sessions
from strongroom.providers.pkcs11.trying import Trying

if TYPE_CHECKING:
    from collections.abc import Callable

    from strongroom.crypto import HsmSession
    from strongroom.providers.pkcs11.module import Module
    from strongroom.providers.pkcs11.objects import Handles
    from strongroom.providers.pkcs11.scheme import Scheme
    from strongroom.providers.pkcs11.uri import TokenUri

Result = TypeVar("Result")


class Connection:
    """A token that this process is logged in to. Thread-safe. Not for a forked child, which connects anew.

    `rsa` says whether it may be an RSA key, which shows nobody's authorship. A room's root never is under one.
    All of it raises ProviderUnavailable, BadPassphrase and Misuse.
    """

    def __init__(self, module: Module, uri: TokenUri) -> None:
        self._uri = uri
        self._sessions = Sessions(module, uri)
        self._keys = TokenKeys(self._sessions)
        self._persist = Trying(self._sessions, self._keys).persist

    def use(self, uri: TokenUri, work: Callable[[HsmSession, Handles], Result], *, rsa: bool = False) -> Result:
        """What `work` makes of a session and the key that `uri` names. It may be done twice, and must not mind.

        Raises KeyNotFound, and AuthenticationFailed for what the key has not wrapped.
        """

        def in_session() -> Result:
            keys = self._keys.found(uri, rsa=rsa)
            with self._sessions.one(keys) as session:
                return work(session, keys)

        return self._persist(in_session, uri)

    def scheme(self, uri: TokenUri, *, rsa: bool = False) -> Scheme:
        """How the key wraps, found by trying. Raises KeyNotFound, and Misuse where it does not."""
        return self._persist(lambda: self._keys.scheme(uri, rsa=rsa), uri)

    def make(self, uri: TokenUri, *, rsa: bool = False) -> TokenUri:
        """Make the key that `uri` names, and say which it is. Raises TargetExists."""
        uri = replace(uri, id=secrets.token_bytes(16))

        def generate() -> TokenUri:
            self._keys.make(uri, rsa=rsa)
            return replace(uri, serial=self._sessions.serial)

        return self._persist(generate, uri)

    def existing(self, uri: TokenUri, *, rsa: bool = False) -> TokenUri:
        """Which key it is that `uri` names. Raises KeyNotFound."""

        def look() -> TokenUri:
            keys = self._keys.found(uri, rsa=rsa)
            return replace(uri, id=keys.id or uri.id, serial=self._sessions.serial)

        return self._persist(look, uri)

    def destroy(self, uri: TokenUri) -> None:
        """Destroy a key. Raises KeyNotFound where there is none, once it was looked for in a token that was asked anew."""
        self._persist(lambda: self._keys.destroy(uri), uri)

    def named(self) -> TokenUri:
        """The token with its serial number, for which it was asked."""

        def ask() -> TokenUri:
            with self._sessions.lock:
                self._sessions.ready()
                return replace(self._uri, serial=self._sessions.serial)

        return self._persist(ask, self._uri)

    def labels(self, prefix: str) -> tuple[str, ...]:
        """The labels of AES keys that begin so."""
        found = self._persist(self._keys.labels, self._uri)
        return tuple(label for label in found if label.startswith(prefix))

    def facts(self) -> dict[str, Any]:
        """What the token is, and by which scheme a key wraps that lives as long as a session."""
        return self._persist(self._facts, self._uri)

    def close(self) -> None:
        """Close every session of ours. The login ends with the last of this process."""
        self._sessions.close()

    def _facts(self) -> dict[str, Any]:
        module = self._sessions.module
        with self._sessions.library(read_write=True) as session:
            token = self._sessions.token
            mechanisms = session.ask("C_GetMechanismList", lambda _: token.slot.get_mechanisms())
            scheme = self._keys.passing_scheme(session)
        return {
            "label": token.label.strip(),
            "serial": as_text(token.serial).strip(),
            "manufacturer": as_text(token.manufacturer_id).strip(),
            "model": as_text(token.model).strip(),
            "locks": module.door.locks,
            "mechanisms": tuple(sorted(getattr(mechanism, "name", hex(mechanism)) for mechanism in mechanisms)),
            "scheme": None if scheme is None else scheme.name,
            "token_nonce": scheme is not None and scheme.token_nonce,
        }
