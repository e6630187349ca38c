"""Root keys behind PKCS#11 tokens: HSMs, and software that looks like one."""

from strongroom.providers.pkcs11.connections import connected
from strongroom.providers.pkcs11.entry import KIND, destroy_key, made_key, unwrapped_root, uri_of, wrapped_root
from strongroom.providers.pkcs11.root import TokenRoot, token_entries
from strongroom.providers.pkcs11.uri import TokenUri

__all__ = [
    "KIND",
    "TokenRoot",
    "TokenUri",
    "connected",
    "destroy_key",
    "made_key",
    "token_entries",
    "unwrapped_root",
    "uri_of",
    "wrapped_root",
]
