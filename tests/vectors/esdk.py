"""The official message vectors, and every way that we read a message."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from strongroom import crypto
from strongroom.client import decrypt_message, decrypt_message_into
from strongroom.keyring import MultiKeyring, RawAesKeyring, RawEcdhKeyring, RawRsaKeyring
from strongroom.materials import decryption_materials

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from strongroom.keyring import Keyring

ALLOW = "require-encrypt-allow-decrypt"
VECTORS = Path(__file__).parents[2].parent / "shared" / "vectors" / "esdk"
needs_vectors = pytest.mark.skipif(not VECTORS.is_dir(), reason="the shared vectors are not beside this checkout")


class StaticKeyring:
    """Gives one known data key whatever the EDKs say, as the vectors' own runners do."""

    def __init__(self, data_key: bytes) -> None:
        self.data_key = crypto.DataKey.from_caller(data_key)

    def generate(self, length: int, context: Mapping[str, str]) -> tuple[crypto.DataKey, list[crypto.Edk]]:
        return self.data_key, self.wrap(self.data_key, context)

    def wrap(self, data_key: crypto.DataKey, context: Mapping[str, str]) -> list[crypto.Edk]:
        return [crypto.Edk("static", b"static", bytes(32))]

    def unwrap(self, edks: Sequence[crypto.Edk], context: Mapping[str, str]) -> crypto.DataKey:
        return self.data_key


def dafny_cases() -> Iterator[tuple[str, dict[str, Any]]]:
    """The cases that need no AWS and no branch keys."""
    manifest = json.loads((VECTORS / "c-from-dafny" / "decrypt-manifest.json").read_text())
    for name, test in manifest["tests"].items():
        scenario = test["decryption-scenario"]
        if is_offline(scenario["decryptKeyDescription"]):
            yield name, scenario


def is_offline(description: dict[str, Any]) -> bool:
    children = [*description.get("childKeyrings", ()), description.get("generator"), description.get("underlying")]
    return not description["type"].startswith("aws-kms") and all(is_offline(c) for c in children if c)


def dafny_keyring(description: dict[str, Any], keys: dict[str, Any]) -> Keyring:
    kind = description["type"]
    if kind == "multi-keyring":
        return MultiKeyring(
            dafny_keyring(description["generator"], keys),
            [dafny_keyring(child, keys) for child in description["childKeyrings"]],
        )
    if kind == "required-encryption-context-cmm":
        return dafny_keyring(description["underlying"], keys)
    if kind == "raw-ecdh":
        material = keys[description["recipient"]]
        public = f"-----BEGIN PUBLIC KEY-----\n{material['recipient-material-public-key']}\n-----END PUBLIC KEY-----\n"
        return RawEcdhKeyring(private_pem=material["recipient-material"].encode(), public_pem=public.encode())
    material = keys[description["key"]]
    namespace, name = description["provider-id"], material["key-id"]
    if description["encryption-algorithm"] == "aes":
        return RawAesKeyring(namespace, name, base64.b64decode(material["material"]))
    padding = "pkcs1" if description["padding-algorithm"] == "pkcs1" else f"oaep-{description['padding-hash']}"
    return RawRsaKeyring(namespace, name, private_pem=material["material"].encode(), padding=padding)


def read_every_way(
    message: bytes, keyring: Keyring, tmp_path: Path, context: Mapping[str, str] | None = None
) -> list[bytes]:
    """The plaintext, one-shot, into a buffer, as a stream, from a file, and by ranges where there are any."""
    ways = [decrypt_message(message, keyring, context=context, commitment_policy=ALLOW)]
    header = crypto.Header.parse(message)

    def materials() -> crypto.DecryptionMaterials:
        return decryption_materials(header, keyring, context=context, commitment_policy=ALLOW)

    out = bytearray(crypto.decrypted_size(header, message))
    assert decrypt_message_into(message, out, keyring, context=context, commitment_policy=ALLOW) == len(out)
    ways.append(bytes(out))
    streamed = io.BytesIO()
    crypto.IncomingMessage.open(io.BytesIO(message)).decrypt(materials(), streamed)
    ways.append(streamed.getvalue())
    path, target = tmp_path / "message", tmp_path / "plaintext"
    path.write_bytes(message)
    file = crypto.MessageFile.open(path)
    file.verify(materials())
    file.decrypt(materials(), target, force=True)
    ways.append(target.read_bytes())
    if header.frame_length is not None and not header.signed:
        ranged = crypto.RangedReader.open(path, header, materials())
        size = len(ranged)
        ways.append(b"".join(ranged.read(at, 777) for at in range(0, size, 777)))
        ways.append(ranged.read(0, size))
    return ways
