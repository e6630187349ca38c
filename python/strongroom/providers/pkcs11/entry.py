"""The root of a room wrapped by a key in a token: an entry of `root.json`. Specified in docs/spec/room.md, "Tokens"."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING

from strongroom.errors import AuthenticationFailed, KeyNotFound, Misuse, ProviderUnavailable, RoomTampered
from strongroom.keys import root_binding
from strongroom.providers.pkcs11 import patience
from strongroom.providers.pkcs11.connections import connected
from strongroom.providers.pkcs11.pin import check_source
from strongroom.providers.pkcs11.scheme import SCHEMES
from strongroom.providers.pkcs11.uri import TokenUri

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import HsmSession, RootKey
    from strongroom.providers.pkcs11.objects import Handles


def wrapped_root(
    key: RootKey, room_id: str, version: int, parameters: Mapping[str, int | str], uri: TokenUri
) -> tuple[dict[str, int | str], bytes]:
    """`key` wrapped by the token's key, and the parameters of the entry, with scheme and URI among them. It was tried."""
    with connected(uri) as connection:
        scheme = connection.scheme(uri)
        whole = {"salt": secrets.token_hex(16), **parameters, "uri": str(uri), "scheme": scheme.name}
        bound = binding(room_id, version, whole)

        def wrap(session: HsmSession, keys: Handles) -> bytes:
            blob = session.wrap_root(
                key, scheme.name, keys.pair, bound, deadline=patience.CALL, token_nonce=scheme.token_nonce
            )
            session.unwrap_root(blob, scheme.name, keys.pair, bound, deadline=patience.CALL).close()
            return blob

        return whole, connection.use(uri, wrap)


def unwrapped_root(
    sealed: bytes, room_id: str, version: int, parameters: Mapping[str, int | str], uri: TokenUri
) -> RootKey:
    """The root in `sealed`, out of the token that `uri` leads to. Raises RoomTampered, ProviderUnavailable, BadPassphrase."""
    bound = binding(room_id, version, parameters)
    scheme = str(parameters.get("scheme"))
    if scheme not in {known.name for known in SCHEMES}:
        raise RoomTampered("root.json names a scheme that no root is wrapped by: put back a copy of it")

    def unwrap(session: HsmSession, keys: Handles) -> RootKey:
        return session.unwrap_root(sealed, scheme, keys.pair, bound, deadline=patience.CALL)

    with connected(uri) as connection:
        try:
            return connection.use(uri, unwrap)
        except AuthenticationFailed:
            raise RoomTampered("root.json: the entry was not wrapped by the key in the token") from None


def uri_of(parameters: Mapping[str, int | str], given: TokenUri | None = None) -> TokenUri:
    """The key of an entry, reached through module and PIN source of `given` if it is given. Raises RoomTampered."""
    try:
        uri = TokenUri.parse(str(parameters["uri"]))
        uri.check_whole()
    except (KeyError, Misuse):
        raise RoomTampered(
            "root.json names a token in a way that nobody here has written: put back a copy of it"
        ) from None
    return uri if given is None else replace(uri, module_path=given.module_path, pin_source=given.pin_source)


def fits(parameters: Mapping[str, int | str], given: TokenUri) -> bool:
    """Whether an entry is of the token and key that `given` names; what it leaves out fits all."""
    uri = uri_of(parameters)
    names = ("token", "serial", "manufacturer", "model", "object", "id")
    return all(getattr(given, name) in {None, getattr(uri, name)} for name in names)


def made_key(uri: TokenUri, *, existing: bool) -> TokenUri:
    """The key that `uri` names, made in the token, or found there if it is `existing`; which it is, is said in full."""
    uri.check_whole()
    check_source(uri.pin_source)
    if uri.object is None and not existing:
        raise Misuse("a new key has a name: give object=NAME")
    if uri.id is not None and not existing:
        raise Misuse("a new key gets a random id: leave `id` out of the URI")
    with connected(uri) as connection:
        if not existing:
            return connection.make(uri)
        found = connection.existing(uri)
        connection.scheme(found)
        return found


def destroy_key(uri: TokenUri) -> None:
    """Destroy a key that nothing was wrapped by. One that cannot be reached is left."""
    try:
        with connected(uri) as connection:
            connection.destroy(uri)
    except (KeyNotFound, ProviderUnavailable):
        return


def binding(room_id: str, version: int, parameters: Mapping[str, int | str]) -> bytes:
    """The associated data: a digest, since some tokens take little."""
    return hashlib.sha256(root_binding(room_id, version, KIND, parameters)).digest()


KIND = "pkcs11"
