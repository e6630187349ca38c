"""Keys under RSA keys of a token (`rsa-oaep-sha256`): for those who say that it may be, and never for the root of a room."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.client.room import Room
from strongroom.crypto import DataKey, Edk, HsmSession, RootKey
from strongroom.errors import AuthenticationFailed, KeyNotFound, Misuse, TargetExists, TokenFault
from strongroom.home import Unlock
from strongroom.keys import TokenKek
from strongroom.providers.pkcs11 import TokenKekAtWork, TokenUri, connected, destroy_kek, patience, token_alone
from strongroom.providers.pkcs11 import scheme as scheme_module
from strongroom.providers.pkcs11.objects import Handles
from strongroom.providers.pkcs11.scheme import Scheme
from strongroom.providers.pkcs11.sessions import Sessions
from tokens import Token, make_token_room, unique

SCHEME = "rsa-oaep-sha256"
BOUND = bytes(range(32))
PII = CONTEXT | {"strongroom-class": "pii"}


@pytest.fixture(params=["ock_token", "nss_token"])
def rsa_token(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Token:
    """A token that does OAEP with SHA-256, and, for us, nothing else."""

    def refused(sessions: Sessions, keys: Handles, scheme: Scheme) -> bool:
        if scheme.name != SCHEME:
            raise TokenFault("C_EncryptInit returned 0x70", "returned", 0x70)
        return trip(sessions, keys, scheme)

    trip = scheme_module.round_trip
    monkeypatch.setattr(scheme_module, "round_trip", refused)
    found: Token = request.getfixturevalue(request.param)
    return found


def test_a_key_comes_back_for_the_same_associated_data_only(rsa_token: Token) -> None:
    wanted = TokenUri.parse(rsa_token.uri(unique("rsa")))
    with connected(wanted) as connection:
        uri = connection.make(wanted, rsa=True)
        assert connection.scheme(uri, rsa=True).name == SCHEME
        root = RootKey.generate()

        def wrap(session: HsmSession, keys: Handles) -> bytes:
            blob = session.wrap_root(root, SCHEME, keys.pair, BOUND, deadline=patience.CALL)
            session.unwrap_root(blob, SCHEME, keys.pair, BOUND, deadline=patience.CALL).close()
            return blob

        blob = connection.use(uri, wrap, rsa=True)
        assert len(blob) == 3072 // 8
        for given, bound in ((blob, BOUND[::-1]), (blob[:-1], BOUND), (b"", BOUND)):
            with pytest.raises(AuthenticationFailed):
                connection.use(uri, partial(unwrap, given, bound), rsa=True)
        with pytest.raises(TargetExists):
            connection.make(wanted, rsa=True)
        connection.destroy(uri)
        with pytest.raises(KeyNotFound):
            connection.existing(replace(uri, id=None), rsa=True)


def test_a_class_whose_token_knows_nothing_else_has_keks_of_rsa_that_are_ours_alone(
    rsa_token: Token, room: MadeRoom
) -> None:
    place = token_alone(rsa_token.uri("none"))
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        made = opened.classes.create("pii", level="hsm", token=place)
        service = opened._service
        dek = service.generate_dek(REQUEST, "pii", PII)
        assert (dek.edk.provider_id, len(dek.edk.ciphertext)) == (f"strongroom-{SCHEME}", 3072 // 8 + 32)
        assert service.unwrap_dek(REQUEST, [dek.edk], PII).data_key == dek.data_key
        assert opened.decrypt(opened.encrypt(b"x", data_class="pii")) == b"x"
        # what a stranger wraps by the public key, or moves to another context
        version = opened.keys.show(made.key_id).versions[0]
        kek = TokenKekAtWork(TokenKek(uri=str(version.token), scheme=SCHEME), None)
        strangers = kek.wrap(DataKey.generate(), "strongroom", f"{made.key_id}/1", PII)
        assert kek.unwrap(strangers, "strongroom", f"{made.key_id}/1", PII)
        kek.close()
        for edk, context in (
            (strangers, PII),
            (Edk(strangers.provider_id, strangers.provider_info, strangers.ciphertext + bytes(32)), PII),
            (Edk(strangers.provider_id, strangers.provider_info, strangers.ciphertext + dek.edk.ciphertext[-32:]), PII),
            (dek.edk, PII | {"tenant": "other"}),
        ):
            with pytest.raises(AuthenticationFailed):
                service.unwrap_dek(REQUEST, [edk], context)
        assert service.unwrap_dek(REQUEST, [dek.edk], PII).data_key == dek.data_key
        opened.keys.rotate(made.key_id, reason="yearly")
        for version in opened.keys.show(made.key_id).versions:
            destroy_kek(TokenKek(uri=str(version.token), scheme=SCHEME))


def unwrap(blob: bytes, bound: bytes, session: HsmSession, keys: Handles) -> None:
    session.unwrap_root(blob, SCHEME, keys.pair, bound, deadline=patience.CALL).close()


def test_a_rooms_root_is_never_under_one(rsa_token: Token, state: Path, tmp_path: Path) -> None:
    uri = rsa_token.uri(unique("rsa"))
    with pytest.raises(Misuse, match=r"no scheme|two keys with one id"):
        make_token_room(tmp_path, uri)
    with connected(TokenUri.parse(uri)) as connection:
        made = connection.make(TokenUri.parse(uri), rsa=True)
        for refused in (connection.existing, connection.scheme):
            with pytest.raises(KeyNotFound):
                refused(made)
        with pytest.raises(KeyNotFound):
            make_token_room(tmp_path, str(made), existing=True)
        connection.destroy(made)


def test_it_comes_after_everything_else(soft_token: Token) -> None:
    with connected(TokenUri.parse(soft_token.uri())) as connection:
        made = connection.make(TokenUri.parse(soft_token.uri()), rsa=True)
        assert connection.scheme(made, rsa=True).name == "aes-gcm"
