"""Both readers under the same key."""

from __future__ import annotations

import logging
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

from strongroom.client import decrypt_message
from strongroom.errors import StrongroomError
from strongroom.keyring import RawAesKeyring

NAMESPACE, NAME = "torture", "shared-key"
KEK = bytes(range(32))


@dataclass(frozen=True)
class Verdict:
    """What a reader made of a message: a plaintext, or None and why."""

    plaintext: bytes | None
    why: str = ""
    crash: bool = False

    def told(self) -> str:
        """The verdict, for people."""
        return f"refused ({self.why})" if self.plaintext is None else f"read {len(self.plaintext)} bytes"


def ours(message: bytes) -> Verdict:
    """Our verdict. Anything but one of our own errors is a crash."""
    try:
        return Verdict(decrypt_message(message, keyring()))
    except StrongroomError as error:
        return Verdict(None, f"{type(error).__name__}: {error}")
    except Exception as error:  # noqa: BLE001 - a reader that crashes is what is looked for
        return Verdict(None, f"{type(error).__name__}: {error}", crash=True)


def theirs(message: bytes) -> Verdict:
    """The SDK's verdict. It has no common class of errors."""
    client, keyring = sdk()
    try:
        plaintext, _ = client.decrypt(source=message, keyring=keyring)
    except Exception as error:  # noqa: BLE001 - whatever it raises is a refusal
        return Verdict(None, f"{type(error).__name__}: {error}")
    return Verdict(bytes(plaintext))


@cache
def keyring() -> RawAesKeyring:
    """Ours."""
    return RawAesKeyring(NAMESPACE, NAME, KEK)


@cache
def sdk() -> tuple[Any, Any]:
    """Their client and their keyring."""
    with warnings.catch_warnings():
        # the SDK's own dependencies warn on import
        warnings.simplefilter("ignore")
        import aws_encryption_sdk
        from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
        from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
        from aws_cryptographic_material_providers.mpl.models import AesWrappingAlg, CreateRawAesKeyringInput
    # it logs a traceback for each message that it refuses
    logging.getLogger("aws_encryption_sdk").setLevel(logging.CRITICAL + 1)
    policy = aws_encryption_sdk.CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT
    keyring = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig()).create_raw_aes_keyring(
        CreateRawAesKeyringInput(
            key_namespace=NAMESPACE,
            key_name=NAME,
            wrapping_key=KEK,
            wrapping_alg=AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16,
        )
    )
    return aws_encryption_sdk.EncryptionSDKClient(commitment_policy=policy), keyring
