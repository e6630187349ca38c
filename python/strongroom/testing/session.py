"""The token as the Rust crate reaches it: sessions that log in, wrap and unwrap."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from strongroom.crypto import DataKey, Kdf, RootKey, Secret
from strongroom.errors import AuthenticationFailed, TokenFault
from strongroom.testing.hsm import refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import Edk
    from strongroom.testing.hsm import FakeHsm
    from strongroom.testing.token import FakeObject

Handles = tuple[int, int | None]


class FakeDoor:
    """In the place of `HsmModule`."""

    locks = True
    idle = True

    def __init__(self, hsm: FakeHsm) -> None:
        self._hsm = hsm
        hsm.call("C_Initialize")

    def finalize(self, *, deadline: float) -> None:
        """End every session."""
        self._hsm.call("C_Finalize", deadline)
        self._hsm.token.forget_sessions()

    def open_session(self, slot: int, *, deadline: float, read_write: bool = False) -> FakeSession:
        """Another session."""
        self._hsm.call("C_OpenSession", deadline)
        return FakeSession(self._hsm, self._hsm.token.new_session())


class FakeSession:
    """In the place of `HsmSession`."""

    def __init__(self, hsm: FakeHsm, handle: int) -> None:
        self._hsm = hsm
        self._handle = handle

    def login(self, pin: Secret, *, deadline: float) -> None:
        """Log in, if the PIN is 1234."""
        self._call("C_Login", deadline)
        right = Secret.from_caller(PIN)
        try:
            if not pin.matches(right):
                raise refusal("C_Login", PIN_INCORRECT)
        finally:
            right.close()
        if self._hsm.token.logged_in:
            raise refusal("C_Login", ALREADY_LOGGED_IN)
        self._hsm.token.logged_in = True

    def wrap_root(
        self, root: RootKey, scheme: str, keys: Handles, binding: bytes, *, deadline: float, token_nonce: bool = False
    ) -> bytes:
        """A root, wrapped."""
        key = self._encrypts(scheme, keys, deadline)
        return root.seal(key.sealing, kdf(), digest(scheme, binding))

    def unwrap_root(self, wrapped: bytes, scheme: str, keys: Handles, binding: bytes, *, deadline: float) -> RootKey:
        """A root, unwrapped."""
        key = self._decrypts(scheme, keys, deadline)
        try:
            return RootKey.unseal(wrapped, key.sealing, kdf(), digest(scheme, binding))
        except AuthenticationFailed:
            raise TokenFault("the wrapped key is not one that this key has wrapped", "corrupt") from None

    def wrap_dek(
        self,
        data_key: DataKey,
        scheme: str,
        keys: Handles,
        namespace: str,
        name: str,
        context: Mapping[str, str],
        *,
        deadline: float,
        token_nonce: bool = False,
    ) -> Edk:
        """A data key, wrapped."""
        return self._encrypts(scheme, keys, deadline).wrapping.wrap(data_key, namespace, name, context)

    def unwrap_dek(
        self,
        edk: Edk,
        scheme: str,
        keys: Handles,
        namespace: str,
        name: str,
        context: Mapping[str, str],
        *,
        deadline: float,
    ) -> DataKey:
        """A data key, unwrapped."""
        key = self._decrypts(scheme, keys, deadline)
        try:
            return key.wrapping.unwrap(edk, namespace, name, context)
        except AuthenticationFailed:
            raise TokenFault("the wrapped key is not one that this key has wrapped", "corrupt") from None

    def round_trip(self, scheme: str, keys: Handles, *, deadline: float, token_nonce: bool = False) -> bool:
        """Whether a random key comes back: another than it was would not authenticate."""
        edk = self._encrypts(scheme, keys, deadline).wrapping.wrap(DataKey.generate(), "fake", "trip", {})
        self._decrypts(scheme, keys, deadline).wrapping.unwrap(edk, "fake", "trip", {})
        return True

    def abandon(self) -> None:
        """Forget it."""
        self._hsm.token.sessions.discard(self._handle)

    def close(self, *, deadline: float) -> None:
        """End it; the login ends with the last."""
        self._hsm.call("C_CloseSession", deadline)
        self.abandon()
        if not self._hsm.token.sessions:
            self._hsm.token.logged_in = False

    def _encrypts(self, scheme: str, keys: Handles, deadline: float) -> FakeObject:
        self._call("C_EncryptInit", deadline)
        key = self._key(scheme, keys, "C_EncryptInit")
        self._call("C_Encrypt", deadline)
        self._signs(keys, deadline)
        return key

    def _decrypts(self, scheme: str, keys: Handles, deadline: float) -> FakeObject:
        self._signs(keys, deadline)
        self._call("C_DecryptInit", deadline)
        key = self._key(scheme, keys, "C_DecryptInit")
        self._call("C_Decrypt", deadline)
        return key

    def _signs(self, keys: Handles, deadline: float) -> None:
        if self._hsm.scheme != "aes-gcm":
            self._call("C_SignInit", deadline)
            self._call("C_Sign", deadline)

    def _key(self, scheme: str, keys: Handles, call: str) -> FakeObject:
        if scheme != self._hsm.scheme:
            raise refusal(call, MECHANISM_INVALID)
        if not self._hsm.token.logged_in:
            raise refusal(call, NOT_LOGGED_IN)
        key = self._hsm.token.objects.get(keys[0])
        if key is None:
            raise refusal(call, KEY_HANDLE_INVALID)
        return key

    def _call(self, name: str, deadline: float) -> None:
        self._hsm.call(name, deadline)
        if self._handle not in self._hsm.token.sessions:
            raise refusal(name, SESSION_HANDLE_INVALID)


def kdf() -> Kdf:
    """What is sealed with is random already."""
    return Kdf.hkdf_sha256(bytes(32))


def digest(scheme: str, binding: bytes) -> bytes:
    """What a wrapped root is bound to."""
    return hashlib.sha256(scheme.encode() + binding).digest()


PIN = b"1234"
PIN_INCORRECT, ALREADY_LOGGED_IN, NOT_LOGGED_IN = 0xA0, 0x100, 0x101
KEY_HANDLE_INVALID, MECHANISM_INVALID, SESSION_HANDLE_INVALID = 0x60, 0x70, 0xB3
