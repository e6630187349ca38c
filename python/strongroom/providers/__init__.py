"""Where root keys live: in a sealed file, and behind tokens that unwrap it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strongroom.providers.rootfile import RootDocument, RootFile
from strongroom.providers.sealed import Seal, SealedRoot, SecretKind
from strongroom.providers.software import SoftwareRoot, make_sealed_root, open_sealed_root

if TYPE_CHECKING:
    from strongroom.crypto import AesWrappingKey, MacKey
    from strongroom.providers.pkcs11 import TokenRoot

    OpenRoot = SoftwareRoot | TokenRoot
    """What opens a room: the root in memory, or behind tokens."""

__all__ = [
    "Root",
    "RootDocument",
    "RootFile",
    "Seal",
    "SealedRoot",
    "SecretKind",
    "SoftwareRoot",
    "make_sealed_root",
    "open_sealed_root",
]


class Root(Protocol):
    """A root key at work: wraps and unwraps the keys below it, and never shows itself."""

    @property
    def in_token(self) -> bool:
        """Whether it is in memory only for the moment in which it is used, since a token holds the key to it."""
        ...

    @property
    def lease_seconds(self) -> float | None:
        """How long a KEK is used before it is unwrapped anew; None for as long as the root is there."""
        ...

    @property
    def version(self) -> int:
        """The version of the root, recorded with everything that it wraps."""
        ...

    def wrap_kek(self, key: AesWrappingKey, binding: bytes) -> bytes:
        """`key` wrapped and bound to `binding`."""
        ...

    def unwrap_kek(self, wrapped: bytes, binding: bytes) -> AesWrappingKey:
        """The KEK in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        ...

    def wrap_mac_key(self, key: MacKey, binding: bytes) -> bytes:
        """`key` wrapped and bound to `binding`."""
        ...

    def unwrap_mac_key(self, wrapped: bytes, binding: bytes) -> MacKey:
        """The MAC key in `wrapped`. Raises AuthenticationFailed unless it was wrapped by this root under this binding."""
        ...

    def standing(self) -> dict[str, bool]:
        """Whether each token behind it, by the id of its way, gave the root when it was asked last."""
        ...

    def close(self) -> None:
        """Wipe the root, or end the session that reaches it."""
        ...
