"""Materials straight from a keyring: the low road."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.crypto import DecryptionMaterials, EncryptionMaterials, SigningKey
from strongroom.materials.context import check_context, reader_context

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.crypto import Header
    from strongroom.keyring.base import Keyring

DEFAULT_SUITE = 0x0478
"""AES-256-GCM, HKDF-SHA512, key commitment."""

DEFAULT_FRAME_LENGTH = 65536
"""Plaintext bytes of a frame."""

_DATA_KEY_LENGTH = 32
_PUBLIC_KEY = "aws-crypto-public-key"


def encryption_materials(
    keyring: Keyring,
    *,
    context: Mapping[str, str] | None = None,
    required_context: Sequence[str] = (),
    suite: int = DEFAULT_SUITE,
    frame_length: int = DEFAULT_FRAME_LENGTH,
) -> EncryptionMaterials:
    """Materials for messages under a fresh data key."""
    pairs = check_context(context)
    signing_key = SigningKey.for_suite(suite)
    if signing_key is not None:
        pairs[_PUBLIC_KEY] = signing_key.public_key
    data_key, edks = keyring.generate(_DATA_KEY_LENGTH, pairs)
    return EncryptionMaterials(
        suite,
        data_key,
        edks,
        pairs,
        frame_length=frame_length,
        required=list(required_context),
        signing_key=signing_key,
    )


def decryption_materials(
    header: Header, keyring: Keyring, *, context: Mapping[str, str] | None, commitment_policy: str
) -> DecryptionMaterials:
    """Materials for the message of this header; `context` holds what the caller knows of its context."""
    header.check_policy(commitment_policy)
    whole, only_given = reader_context(header, context)
    return DecryptionMaterials(header, keyring.unwrap(header.edks, whole), required=only_given)
