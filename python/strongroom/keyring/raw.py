"""Keyrings of raw keys that the caller holds (specification, `framework/raw-*-keyring.md`)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from strongroom.crypto import AesWrappingKey, DataKey, EcdhWrappingKey, RsaWrappingKey
from strongroom.errors import Misuse
from strongroom.keyring.base import first_that_opens

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

    from strongroom.crypto import Edk


class _Generates(ABC):
    """Data keys come from the library's generator and are then wrapped like any other."""

    def generate(self, length: int, context: Mapping[str, str]) -> tuple[DataKey, list[Edk]]:
        """A fresh data key and its EDKs."""
        data_key = DataKey.generate(length)
        return data_key, self.wrap(data_key, context)

    @abstractmethod
    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]: ...


class RawAesKeyring(_Generates):
    """Wraps data keys with AES-GCM, bound to the encryption context.

    `key` has 16, 24 or 32 bytes and is copied into locked memory; wipe your own copy. One key wraps fewer than 2³²
    data keys: its nonces are random. Namespaces that begin with `aws-kms` are AWS's own.
    """

    def __init__(self, namespace: str, name: str, key: Buffer) -> None:
        self._namespace, self._name = _named(namespace, name)
        self._key = AesWrappingKey(key)

    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]:
        """One EDK under this key."""
        return [self._key.wrap(data_key, self._namespace, self._name, context)]

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        """The data key of the first EDK under this key."""
        length = len(self._name.encode()) + _AES_INFO_TAIL
        mine = [e for e in edks if self._carries_name(e) and len(e.provider_info) == length]
        return first_that_opens(mine, lambda edk: self._open(edk, context), repr(self))

    def _carries_name(self, edk: Edk) -> bool:
        return edk.provider_id == self._namespace and edk.provider_info.startswith(self._name.encode())

    def _open(self, edk: Edk, context: Mapping[str, str]) -> DataKey:
        return self._key.unwrap(edk, self._namespace, self._name, context)

    def __repr__(self) -> str:
        return f"RawAesKeyring({self._namespace!r}, {self._name!r})"


class RawRsaKeyring(_Generates):
    """Wraps data keys with RSA. Does not bind the encryption context to the data key; the message's header tag does.

    `padding` is `oaep-sha1`, `oaep-sha256` (default), `oaep-sha384`, `oaep-sha512`, or `pkcs1` for old messages.
    A public key alone only wraps, a private key alone only unwraps. PEM: PKCS#8 and SubjectPublicKeyInfo.
    """

    def __init__(
        self,
        namespace: str,
        name: str,
        *,
        private_pem: Buffer | None = None,
        public_pem: Buffer | None = None,
        padding: str = "oaep-sha256",
    ) -> None:
        self._namespace, self._name = _named(namespace, name)
        self._key = RsaWrappingKey(private_pem=private_pem, public_pem=public_pem, padding=padding)

    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]:
        """One EDK for the holder of the private key."""
        return [self._key.wrap(data_key, self._namespace, self._name)]

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        """The data key of the first EDK for this private key."""
        name = self._name.encode()
        mine = [e for e in edks if e.provider_id == self._namespace and e.provider_info == name]
        return first_that_opens(mine, lambda edk: self._key.unwrap(edk, self._namespace, self._name), repr(self))

    def __repr__(self) -> str:
        return f"RawRsaKeyring({self._namespace!r}, {self._name!r})"


class RawEcdhKeyring(_Generates):
    """Unwraps data keys that were agreed by ECDH on P-256, P-384 or P-521. Reads only.

    `private_pem` is our key (PKCS#8), as recipient or as sender. `public_pem` (SubjectPublicKeyInfo) is its own public
    half, which changes nothing, or the other party's: then only data keys agreed with that party are accepted.
    """

    def __init__(self, *, private_pem: Buffer, public_pem: Buffer | None = None) -> None:
        self._key = EcdhWrappingKey(private_pem=private_pem, public_pem=public_pem)

    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]:
        """Refused: this keyring reads."""
        raise Misuse("a raw ECDH keyring unwraps data keys and does not wrap them")

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        """The data key of the first EDK that was agreed with this key."""
        mine = [e for e in edks if e.provider_id == _ECDH_PROVIDER]
        return first_that_opens(mine, lambda edk: self._key.unwrap(edk, context), repr(self))

    def __repr__(self) -> str:
        return "RawEcdhKeyring()"


def _named(namespace: str, name: str) -> tuple[str, str]:
    if namespace.startswith("aws-kms"):
        raise Misuse("key namespaces that begin with 'aws-kms' are AWS's own")
    if not namespace or not name:
        raise Misuse("a raw key has a namespace and a name")
    return namespace, name


# tag length, nonce length, nonce
_AES_INFO_TAIL = 4 + 4 + 12
_ECDH_PROVIDER = "raw-ecdh"
