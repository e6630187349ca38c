"""The low road: messages under a keyring that the caller holds.

Most callers want `strongroom.open()` instead, where keys have owners, versions and a record of their use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client.parts import in_parts, size_of
from strongroom.materials import (
    DEFAULT_FRAME_LENGTH,
    DEFAULT_SUITE,
    CachingKeyring,
    decryption_materials,
    encryption_materials,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

    from strongroom.crypto import Caps, Control, DecryptionMaterials, EncryptionMaterials, Header
    from strongroom.keyring import Keyring

COMMITMENT_POLICY = "require-encrypt-require-decrypt"
"""Messages that do not commit to their key are not read unless the caller says so."""


def encrypt_message(
    plaintext: Buffer,
    keyring: Keyring | CachingKeyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
    control: Control | None = None,
) -> bytes:
    """Encrypt and authenticate a plaintext into one message, under a fresh data key.

    `plaintext` is any C-contiguous buffer and must not change during the call. `context` is authenticated and stored
    in the clear, but for the pairs whose keys stand in `required_context`: they are authenticated only, and the
    reader must know them. `suite` is 0x0478, or 0x0578 to sign as well. `frame_length`: bytes, 1 … 2³¹−1.

    Raises `Misuse`. Format: AWS Encryption SDK message version 2 (docs/spec/message.md).
    """
    if isinstance(keyring, CachingKeyring):
        parts: tuple[str | int, ...] = (suite, frame_length, *required_context)
        cached = keyring.cache.encrypt(parts, context, plaintext, control)
        if cached is not None:
            return cached
    materials = _encryption(keyring, (plaintext,), context, required_context, suite, frame_length)
    return crypto.encrypt(materials, plaintext, control)


def encrypt_message_into(
    plaintext: Buffer,
    out: Buffer,
    keyring: Keyring | CachingKeyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
    control: Control | None = None,
) -> int:
    """The same into the caller's buffer, of at least `encrypted_size` bytes; returns how many are the message."""
    materials = _encryption(keyring, (plaintext,), context, required_context, suite, frame_length)
    return crypto.encrypt_into(materials, plaintext, out, control)


def encrypt_messages(
    plaintexts: Sequence[Buffer],
    keyring: Keyring | CachingKeyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
    control: Control | None = None,
) -> list[bytes]:
    """Encrypt each plaintext into a message of its own: one data key, one call, all cores.

    Each message has its own id, and so its own content key. More messages than one data key of a `CachingKeyring` may
    serve are encrypted in parts, each under a data key of its own.
    """

    def encrypt(plaintexts: Sequence[Buffer]) -> list[bytes]:
        if isinstance(keyring, CachingKeyring):
            parts: tuple[str | int, ...] = (suite, frame_length, *required_context)
            cached = keyring.cache.encrypt_many(parts, context, plaintexts, control)
            if cached is not None:
                return cached
        materials = _encryption(keyring, plaintexts, context, required_context, suite, frame_length)
        return crypto.encrypt_many(materials, plaintexts, control)

    return in_parts(encrypt, plaintexts)


def encrypted_size(
    plaintext_length: int,
    keyring: Keyring | CachingKeyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
) -> int:
    """Bytes of the message that these arguments make of so many plaintext bytes, exactly.

    Wraps a data key to know the size of the header, and forgets it.
    """
    materials = _encryption(keyring, (), context, required_context, suite, frame_length)
    return crypto.encrypted_size(materials, plaintext_length)


def decrypt_message(
    message: Buffer,
    keyring: Keyring | CachingKeyring,
    *,
    context: Mapping[str, str] | None = None,
    commitment_policy: str = COMMITMENT_POLICY,
    caps: Caps | None = None,
    control: Control | None = None,
) -> bytes:
    """Authenticate a whole message and return its plaintext; on any failure nothing of it.

    Every pair in `context` is checked: against the header, or as a pair that the writer required. `commitment_policy`
    has AWS's names. Raises `AuthenticationFailed`, `KeyNotFound`, and `FormatError` and its children.
    """
    if isinstance(keyring, CachingKeyring):
        cached = keyring.cache.decrypt((commitment_policy,), context, message, caps, control)
        if cached is not None:
            return cached
    header = crypto.Header.parse(message, caps)
    materials = _decryption(header, keyring, context, commitment_policy, size_of(message))
    return crypto.decrypt(header, materials, message, control)


def decrypt_message_into(
    message: Buffer,
    out: Buffer,
    keyring: Keyring | CachingKeyring,
    *,
    context: Mapping[str, str] | None = None,
    commitment_policy: str = COMMITMENT_POLICY,
    caps: Caps | None = None,
    control: Control | None = None,
) -> int:
    """The same into the caller's buffer; returns how many bytes are plaintext. A failure zeroes what it would fill."""
    header = crypto.Header.parse(message, caps)
    materials = _decryption(header, keyring, context, commitment_policy, size_of(message))
    return crypto.decrypt_into(header, materials, message, out, control)


def decrypt_messages(
    messages: Sequence[Buffer],
    keyring: Keyring | CachingKeyring,
    *,
    context: Mapping[str, str] | None = None,
    commitment_policy: str = COMMITMENT_POLICY,
    caps: Caps | None = None,
    control: Control | None = None,
) -> list[bytes]:
    """Decrypt many messages in one call on all cores, all or nothing.

    The keyring is asked once for all messages of the same context and encrypted data keys.
    """

    def materials(header: Header, size: int = 0) -> DecryptionMaterials:
        return _decryption(header, keyring, context, commitment_policy, size)

    if isinstance(keyring, CachingKeyring):
        parts = (commitment_policy,)
        return keyring.cache.decrypt_many(parts, dict(context or {}), messages, materials, caps, control)
    return crypto.decrypt_many(messages, materials, caps, control)


def _encryption(
    keyring: Keyring | CachingKeyring,
    plaintexts: Sequence[Buffer],
    context: Mapping[str, str] | None,
    required_context: Sequence[str],
    suite: int,
    frame_length: int,
) -> EncryptionMaterials:
    if isinstance(keyring, CachingKeyring):
        return keyring.encryption(
            context=context,
            required_context=required_context,
            suite=suite,
            frame_length=frame_length,
            messages=len(plaintexts),
            size=sum(map(size_of, plaintexts)),
        )
    return encryption_materials(
        keyring, context=context, required_context=required_context, suite=suite, frame_length=frame_length
    )


def _decryption(
    header: Header,
    keyring: Keyring | CachingKeyring,
    context: Mapping[str, str] | None,
    commitment_policy: str,
    size: int,
) -> DecryptionMaterials:
    if isinstance(keyring, CachingKeyring):
        return keyring.decryption(header, context=context, commitment_policy=commitment_policy, size=size)
    return decryption_materials(header, keyring, context=context, commitment_policy=commitment_policy)
