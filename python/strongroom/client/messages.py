"""The low road: messages under a keyring that the caller holds.

Most callers want `strongroom.open()` instead, where keys have owners, versions and a record of their use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.materials import DEFAULT_FRAME_LENGTH, DEFAULT_SUITE, decryption_materials, encryption_materials

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from typing_extensions import Buffer

    from strongroom.crypto import Caps, Control
    from strongroom.keyring import Keyring

COMMITMENT_POLICY = "require-encrypt-require-decrypt"
"""Messages that do not commit to their key are not read unless the caller says so."""


def encrypt_message(
    plaintext: Buffer,
    keyring: Keyring,
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
    materials = encryption_materials(
        keyring, context=context, required_context=required_context, suite=suite, frame_length=frame_length
    )
    return crypto.encrypt(materials, plaintext, control)


def encrypt_message_into(
    plaintext: Buffer,
    out: Buffer,
    keyring: Keyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
    control: Control | None = None,
) -> int:
    """The same into the caller's buffer, of at least `encrypted_size` bytes; returns how many are the message."""
    materials = encryption_materials(
        keyring, context=context, required_context=required_context, suite=suite, frame_length=frame_length
    )
    return crypto.encrypt_into(materials, plaintext, out, control)


def encrypt_messages(
    plaintexts: Sequence[Buffer],
    keyring: Keyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
    control: Control | None = None,
) -> list[bytes]:
    """Encrypt each plaintext into a message of its own: one data key, one call, all cores.

    Each message has its own id, and so its own content key.
    """
    materials = encryption_materials(
        keyring, context=context, required_context=required_context, suite=suite, frame_length=frame_length
    )
    return crypto.encrypt_many(materials, plaintexts, control)


def encrypted_size(
    plaintext_length: int,
    keyring: Keyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
) -> int:
    """Bytes of the message that these arguments make of so many plaintext bytes, exactly.

    Wraps a data key to know the size of the header, and forgets it.
    """
    materials = encryption_materials(
        keyring, context=context, required_context=required_context, suite=suite, frame_length=frame_length
    )
    return crypto.encrypted_size(materials, plaintext_length)


def decrypt_message(
    message: Buffer,
    keyring: Keyring,
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
    header = crypto.Header.parse(message, caps)
    materials = decryption_materials(header, keyring, context=context, commitment_policy=commitment_policy)
    return crypto.decrypt(header, materials, message, control)


def decrypt_message_into(
    message: Buffer,
    out: Buffer,
    keyring: Keyring,
    *,
    context: Mapping[str, str] | None = None,
    commitment_policy: str = COMMITMENT_POLICY,
    caps: Caps | None = None,
    control: Control | None = None,
) -> int:
    """The same into the caller's buffer; returns how many bytes are plaintext. A failure zeroes what it would fill."""
    header = crypto.Header.parse(message, caps)
    materials = decryption_materials(header, keyring, context=context, commitment_policy=commitment_policy)
    return crypto.decrypt_into(header, materials, message, out, control)


def decrypt_messages(
    messages: Sequence[Buffer],
    keyring: Keyring,
    *,
    context: Mapping[str, str] | None = None,
    commitment_policy: str = COMMITMENT_POLICY,
    caps: Caps | None = None,
    control: Control | None = None,
) -> list[bytes]:
    """Decrypt many messages in one call on all cores, all or nothing."""
    headers = [crypto.Header.parse(message, caps) for message in messages]
    materials = [
        decryption_materials(header, keyring, context=context, commitment_policy=commitment_policy)
        for header in headers
    ]
    return crypto.decrypt_many(headers, materials, messages, control)
