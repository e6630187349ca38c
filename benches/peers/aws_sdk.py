"""The official AWS Encryption SDK for Python, which writes the same messages as we do."""

from __future__ import annotations

import functools
import io
import warnings
from typing import TYPE_CHECKING

from benches.harness.row import Unavailable
from benches.peers.file import FilePeer
from benches.peers.message import MessagePeer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any, BinaryIO


def default_file(_folder: Path) -> FilePeer:
    """As its documentation shows: frames of 4 KiB, and a loop over the stream."""
    return over_files("aws-encryption-sdk, 4 KiB frames", 4 << 10, lines, share=1 / 32)


def large_file(_folder: Path) -> FilePeer:
    """Our frames, and the same loop, which takes 8 KiB at a time."""
    return over_files("aws-encryption-sdk, 64 KiB frames", FRAME, lines, share=1 / 16)


def best_file(_folder: Path) -> FilePeer:
    """Our frames, and reads of the size that is fastest; larger ones copy the rest of the read for each frame of it."""
    name = f"aws-encryption-sdk, 64 KiB frames, reads of {BEST >> 10} KiB"
    return over_files(name, FRAME, functools.partial(pieces, size=BEST), share=1 / 16)


def over_files(name: str, frame_length: int, drain: Callable[[Any, BinaryIO], None], share: float) -> FilePeer:
    """A loop that reads the SDK's stream and writes a file."""
    _sdk, client = loaded()
    provider = master_key()

    def work(source: Path, target: Path, **options: object) -> None:
        with (
            source.open("rb") as reader,
            target.open("xb") as writer,
            client.stream(source=reader, key_provider=provider, **options) as stream,
        ):
            drain(stream, writer)

    def seal(source: Path, target: Path) -> None:
        work(source, target, mode="e", algorithm=suite(), frame_length=frame_length)

    return FilePeer(name, seal, functools.partial(work, mode="d"), share)


def lines(stream: Any, writer: BinaryIO) -> None:
    """What the documentation shows."""
    for chunk in stream:  # noqa: FURB122  # as it is shown
        writer.write(chunk)


def pieces(stream: Any, writer: BinaryIO, size: int) -> None:
    """Reads of one size."""
    while chunk := stream.read(size):
        writer.write(chunk)


def cached() -> MessagePeer:
    """Its cache of data keys, over a raw AES master key: the fastest that it does with messages."""
    sdk, client = loaded()
    manager = sdk.CachingCryptoMaterialsManager(
        master_key_provider=master_key(), cache=sdk.LocalCryptoMaterialsCache(capacity=100), max_age=3600.0
    )
    return over_messages("aws-encryption-sdk, caching", client, share=1 / 10, materials_manager=manager)


def keyring() -> MessagePeer:
    """The raw AES keyring of its material providers, which its documentation now asks for; it has no cache for it."""
    _, client = loaded()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            from aws_cryptographic_material_providers.mpl import AwsCryptographicMaterialProviders
        except ImportError:
            raise Unavailable("pip install aws-cryptographic-material-providers") from None
        from aws_cryptographic_material_providers.mpl.config import MaterialProvidersConfig
        from aws_cryptographic_material_providers.mpl.models import AesWrappingAlg, CreateRawAesKeyringInput
    wrapping = AesWrappingAlg.ALG_AES256_GCM_IV12_TAG16
    wanted = CreateRawAesKeyringInput(
        key_namespace="bench", key_name="key", wrapping_key=bytes(32), wrapping_alg=wrapping
    )
    ring = AwsCryptographicMaterialProviders(config=MaterialProvidersConfig()).create_raw_aes_keyring(wanted)
    return over_messages("aws-encryption-sdk, keyring", client, share=1 / 100, keyring=ring)


def over_messages(name: str, client: Any, share: float, **keys: object) -> MessagePeer:
    """A call for each."""

    def seal(plaintext: bytes) -> bytes:
        message: bytes = client.encrypt(source=plaintext, algorithm=suite(), **keys)[0]
        return message

    def unseal(message: bytes) -> bytes:
        plaintext: bytes = client.decrypt(source=io.BytesIO(message), **keys)[0]
        return plaintext

    return MessagePeer(name, seal, unseal, share)


def loaded() -> tuple[Any, Any]:
    """The package and a client."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import aws_encryption_sdk
        except ImportError:
            raise Unavailable("pip install aws-encryption-sdk") from None
    return aws_encryption_sdk, aws_encryption_sdk.EncryptionSDKClient()


def master_key() -> Any:
    """A raw AES wrapping key in the older interface, which costs less for each message than the newer."""
    from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
    from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
    from aws_encryption_sdk.key_providers.raw import RawMasterKey

    return RawMasterKey(
        provider_id="bench",
        key_id="key",
        wrapping_key=WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=bytes(32),
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        ),
    )


def suite() -> Any:
    """The same as ours: the default one signs as well, which costs more."""
    from aws_encryption_sdk.identifiers import AlgorithmSuite

    return AlgorithmSuite.AES_256_GCM_HKDF_SHA512_COMMIT_KEY


FRAME = 64 << 10
BEST = 64 << 10
