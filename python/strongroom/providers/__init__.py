"""Where root keys live. Today in a sealed file; each other place becomes a file of its own here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from strongroom.providers.rootfile import RootDocument, RootFile
from strongroom.providers.sealed import Seal, SealedRoot, SecretKind
from strongroom.providers.software import SoftwareRoot, make_sealed_root, open_sealed_root

if TYPE_CHECKING:
    from strongroom.crypto import AesWrappingKey, MacKey

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

    def close(self) -> None:
        """Wipe the root, or end the session that reaches it."""
        ...
