"""The official AWS Encryption SDK for Python, with the raw keyrings that it shares with ours."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    # the peer's own dependencies warn on import
    warnings.simplefilter("ignore")
    import aws_encryption_sdk
    from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
    from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
    from aws_cryptographic_material_providers.mpl.models import (
        AesWrappingAlg,
        CreateMultiKeyringInput,
        CreateRawAesKeyringInput,
        CreateRawRsaKeyringInput,
        PaddingScheme,
    )
    from aws_encryption_sdk import CommitmentPolicy
    from aws_encryption_sdk.identifiers import AlgorithmSuite

NAMESPACE, NAME = "interop", "shared-key"
SUITES = {
    0x0478: AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY,
    0x0578: AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY_ECDSA_P384,
}

_client = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT)
_providers = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig())


def aes_keyring(key: bytes, namespace: str = NAMESPACE, name: str = NAME) -> Any:
    return _providers.create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace=namespace,
            key_name=name,
            wrapping_key=key,
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
        )
    )


def rsa_keyring(private_pem: bytes, public_pem: bytes) -> Any:
    return _providers.create_raw_rsa_keyring(
        CreateRawRsaKeyringInput(
            key_namespace=NAMESPACE,
            key_name=NAME,
            padding_scheme=PaddingScheme.OAEP_SHA256_MGF1,
            public_key=public_pem,
            private_key=private_pem,
        )
    )


def multi_keyring(generator: Any, children: list[Any]) -> Any:
    return _providers.create_multi_keyring(CreateMultiKeyringInput(generator=generator, child_keyrings=children))


def encrypt(plaintext: bytes, keyring: Any, context: dict[str, str], suite: int, frame_length: int) -> bytes:
    message, _ = _client.encrypt(
        source=plaintext,
        keyring=keyring,
        encryption_context=context,
        algorithm=SUITES[suite],
        frame_length=frame_length,
    )
    return bytes(message)


def decrypt(message: bytes, keyring: Any, context: dict[str, str] | None = None) -> bytes:
    plaintext, _ = _client.decrypt(source=message, keyring=keyring, encryption_context=context)
    return bytes(plaintext)
