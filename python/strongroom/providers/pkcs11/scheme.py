"""How a key wraps: found by trying, since a token's list of mechanisms promises nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.errors import Misuse, TokenFault
from strongroom.providers.pkcs11 import objects, patience
from strongroom.providers.pkcs11.faults import Verdict, describe, verdict

if TYPE_CHECKING:
    from strongroom.providers.pkcs11.objects import Handles
    from strongroom.providers.pkcs11.sessions import Sessions
    from strongroom.providers.pkcs11.uri import TokenUri


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a key wraps, and whether the token insists on making the nonces."""

    name: str
    token_nonce: bool = False


def probed(sessions: Sessions, keys: Handles, uri: TokenUri) -> Scheme:
    """The first scheme by which a random key comes back. Raises Misuse."""
    why: Exception | None = None
    for scheme in (RSA,) if keys.rsa else SCHEMES:
        if scheme.name == SCHEMES[-1].name and keys.hmac is None:
            continue
        try:
            if round_trip(sessions, keys, scheme):
                return scheme
        except TokenFault as error:
            if verdict(error) in {Verdict.LATE, Verdict.MODULE, Verdict.LOGIN, Verdict.BUSY}:
                raise
            why = error
    reason = "it has no mechanism for one" if why is None else describe(why)
    raise Misuse(f"the key {objects.name_of(uri)} wraps by no scheme that is known: {reason}")


def round_trip(sessions: Sessions, keys: Handles, scheme: Scheme) -> bool:
    """Whether a random key comes back as it was."""
    with sessions.one(keys) as session:
        return session.round_trip(scheme.name, keys.pair, deadline=patience.CALL, token_nonce=scheme.token_nonce)


SCHEMES = (Scheme("aes-gcm"), Scheme("aes-gcm", token_nonce=True), Scheme("aes-cbc-hmac-sha256"))
RSA = Scheme("rsa-oaep-sha256")
