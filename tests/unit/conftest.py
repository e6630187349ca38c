from rooms import keystore_url, postgres, room, service, state
from tokens import nss_token, ock, ock_token, proxy, proxy_module, soft_token, softhsm, token

__all__ = [
    "keystore_url",
    "nss_token",
    "ock",
    "ock_token",
    "postgres",
    "proxy",
    "proxy_module",
    "room",
    "service",
    "soft_token",
    "softhsm",
    "state",
    "token",
]
