"""A KEK that is an object in a token: every data key that it wraps or unwraps is a call of the token's.

The data key goes between locked memory and the module in Rust; the KEK never leaves the token.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from strongroom.errors import KeyNotFound, Misuse
from strongroom.keys import TokenKek
from strongroom.providers.pkcs11 import patience
from strongroom.providers.pkcs11.connections import CONNECTIONS, connected, token_of
from strongroom.providers.pkcs11.pin import check_source
from strongroom.providers.pkcs11.uri import TokenUri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import DataKey, Edk, HsmSession
    from strongroom.providers.pkcs11.connection import Connection
    from strongroom.providers.pkcs11.objects import Handles


class TokenKekAtWork:
    """Wraps and unwraps as an `AesWrappingKey` does; an RSA key does so for anybody. Thread-safe: each call has a session of its own.

    Raises ProviderUnavailable, BadPassphrase, KeyNotFound, and AuthenticationFailed for what the key has not wrapped.
    """

    def __init__(self, kek: TokenKek, place: str | None) -> None:
        self._kek = kek
        self._uri = placed(kek, place)
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def wrap(self, data_key: DataKey, namespace: str, name: str, context: Mapping[str, str]) -> Edk:
        """`data_key` wrapped and bound to `context`; its EDK names the key by `name`."""
        kek = self._kek

        def wrap(session: HsmSession, keys: Handles) -> Edk:
            return session.wrap_dek(
                data_key,
                kek.scheme,
                keys.pair,
                namespace,
                name,
                context,
                deadline=patience.CALL,
                token_nonce=kek.token_nonce,
            )

        return self._connected().use(self._uri, wrap, rsa=True)

    def unwrap(self, edk: Edk, namespace: str, name: str, context: Mapping[str, str]) -> DataKey:
        """The data key in `edk`."""
        scheme = self._kek.scheme

        def unwrap(session: HsmSession, keys: Handles) -> DataKey:
            return session.unwrap_dek(edk, scheme, keys.pair, namespace, name, context, deadline=patience.CALL)

        return self._connected().use(self._uri, unwrap, rsa=True)

    def close(self) -> None:
        """End the session with the token, unless others use it."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            CONNECTIONS.give_back(self._uri)

    def _connected(self) -> Connection:
        """The connection, made by the first who uses it: nobody who uses another key waits for a module that hangs."""
        with self._lock:
            if self._connection is None:
                self._connection = CONNECTIONS.take(self._uri)
            return self._connection


def make_kek(token: str, name: str) -> TokenKek:
    """A new key in the token that `token` names, of this name, and the scheme by which it was seen to wrap."""
    place = TokenUri.parse(token)
    with connected(place) as connection:
        uri = connection.make(replace(place, object=name), rsa=True)
        scheme = connection.scheme(uri, rsa=True)
    return TokenKek(uri=str(uri), scheme=scheme.name, token_nonce=scheme.token_nonce)


def found_kek(text: str) -> TokenKek:
    """The key in a token that the URI `text` names, and the scheme by which it was seen to wrap. Raises KeyNotFound, Misuse."""
    named = TokenUri.parse(text)
    named.check_whole()
    check_source(named.pin_source)
    with connected(named) as connection:
        uri = connection.existing(named, rsa=True)
        scheme = connection.scheme(uri, rsa=True)
    return TokenKek(uri=str(uri), scheme=scheme.name, token_nonce=scheme.token_nonce)


def destroy_kek(kek: TokenKek, place: str | None = None) -> None:
    """Destroy the key in its token; one that is not there any more is destroyed. Raises ProviderUnavailable, BadPassphrase."""
    uri = placed(kek, place)
    with connected(uri) as connection, suppress(KeyNotFound):
        connection.destroy(uri)


def named_token(text: str) -> str:
    """The URI of a token alone, with its serial number, which was asked for it. Raises Misuse, ProviderUnavailable."""
    uri = TokenUri.parse(text)
    if uri.object is not None or uri.id is not None:
        raise Misuse("the URI names a key: for the KEKs of a class give the token alone, they get names of their own")
    if uri.token is None and uri.serial is None:
        raise Misuse("the URI names no token: give token=LABEL or serial=NUMBER")
    uri.check_module()
    check_source(uri.pin_source)
    with connected(uri) as connection:
        return str(connection.named())


def token_alone(text: str) -> str:
    """The URI of the token that the URI of a key names."""
    return str(token_of(TokenUri.parse(text)))


def placed(kek: TokenKek, place: str | None) -> TokenUri:
    """The key of a KEK, reached by module and PIN source of `place` if that is the same token: they may have moved."""
    uri = TokenUri.parse(kek.uri)
    if place is None or not same_token(kek.uri, place):
        return uri
    now = TokenUri.parse(place)
    return replace(uri, module_path=now.module_path, pin_source=now.pin_source)


def same_token(uri: str, other: str) -> bool:
    """Whether two URIs name one token."""
    return identity(TokenUri.parse(uri)) == identity(TokenUri.parse(other))


def same_key(uri: str, other: str) -> bool:
    """Whether two URIs name one key of one token."""
    one, another = TokenUri.parse(uri), TokenUri.parse(other)
    return (identity(one), one.object, one.id) == (identity(another), another.object, another.id)


def identity(uri: TokenUri) -> tuple[str | None, ...]:
    """What tells a token from others: the serial number that it was asked for, with a label that may be shared."""
    return uri.token, uri.serial
