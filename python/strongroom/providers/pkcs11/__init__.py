"""Root keys behind PKCS#11 tokens: HSMs, and software that looks like one."""

from strongroom.providers.pkcs11.connections import connected, token_of
from strongroom.providers.pkcs11.entry import KIND, destroy_key, made_key, unwrapped_root, uri_of, wrapped_root
from strongroom.providers.pkcs11.kek import (
    TokenKekAtWork,
    destroy_kek,
    found_kek,
    make_kek,
    named_token,
    placed,
    same_key,
    same_token,
    token_alone,
)
from strongroom.providers.pkcs11.root import TokenRoot, token_entries
from strongroom.providers.pkcs11.uri import TokenUri

__all__ = [
    "KIND",
    "TokenKekAtWork",
    "TokenRoot",
    "TokenUri",
    "connected",
    "destroy_kek",
    "destroy_key",
    "found_kek",
    "made_key",
    "make_kek",
    "named_token",
    "placed",
    "same_key",
    "same_token",
    "token_alone",
    "token_entries",
    "token_of",
    "unwrapped_root",
    "uri_of",
    "wrapped_root",
]
