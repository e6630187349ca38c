"""Official AWS Encryption SDK messages, through every reader."""

from __future__ import annotations

import base64
import collections
import json
from typing import TYPE_CHECKING

import pytest
from strongroom import crypto
from strongroom.client import decrypt_message
from strongroom.errors import AuthenticationFailed, FormatError, StrongroomError, UnsupportedFormat
from vectors.esdk import ALLOW, VECTORS, StaticKeyring, dafny_cases, dafny_keyring, needs_vectors, read_every_way

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_vectors


def test_c_from_dafny(tmp_path: Path) -> None:
    keys = json.loads((VECTORS / "c-from-dafny" / "keys.json").read_text())["keys"]
    counts: collections.Counter[str] = collections.Counter()
    for name, scenario in dafny_cases():
        message = (VECTORS / "c-from-dafny" / scenario["ciphertext"].removeprefix("file://")).read_bytes()
        plaintext = (VECTORS / "c-from-dafny" / scenario["result"].removeprefix("file://")).read_bytes()
        keyring = dafny_keyring(scenario["decryptKeyDescription"], keys)
        context = scenario["reproduced-encryption-context"]
        ways = read_every_way(message, keyring, tmp_path, context)
        assert all(way == plaintext for way in ways), name
        if not crypto.Header.parse(message).commits:
            with pytest.raises(UnsupportedFormat):
                decrypt_message(message, keyring, context=context)
        counts[scenario["decryptKeyDescription"]["type"]] += 1
    print(dict(counts))
    assert sum(counts.values()) == 286


def test_commitment(tmp_path: Path) -> None:
    cases = json.loads((VECTORS / "commitment" / "commitment-test-vectors.json").read_text())["tests"]
    good = bad = 0
    for case in cases:
        message, data_key = base64.b64decode(case["ciphertext"]), base64.b64decode(case["decrypted-dek"])
        keyring = StaticKeyring(data_key)
        if case["status"]:
            plaintext = "".join(case["plaintext-frames"]).encode()
            assert all(way == plaintext for way in read_every_way(message, keyring, tmp_path)), case["comment"]
            good += 1
        else:
            with pytest.raises(AuthenticationFailed):
                decrypt_message(message, keyring)
            bad += 1
    print({"good": good, "must fail": bad})
    assert (good, bad) == (41, 5)


@pytest.mark.parametrize(
    ("message", "plaintext"),
    [
        ("hello.bin", "hello.bin.pt"),
        ("hello.tinyframes.bin", "hello.bin.pt"),
        ("ct_x_aes128_hkdf.bin", "pt_x_aes128_hkdf.bin"),
    ],
)
def test_c_unit(message: str, plaintext: str, tmp_path: Path) -> None:
    folder = VECTORS / "c-unit"
    ways = read_every_way((folder / message).read_bytes(), StaticKeyring(bytes(16)), tmp_path)
    assert all(way == (folder / plaintext).read_bytes() for way in ways)


def test_c_unit_that_must_fail() -> None:
    folder = VECTORS / "c-unit"
    with pytest.raises((AuthenticationFailed, FormatError)):
        decrypt_message(
            (folder / "ct_x_aes128_hkdf_bad_header.bin").read_bytes(),
            StaticKeyring(bytes(16)),
            commitment_policy=ALLOW,
        )


def test_c_unit_commitment(tmp_path: Path) -> None:
    """The good one opens under its key; the bad one under no way of deriving from the same key."""
    folder = VECTORS / "c-unit"
    cases = json.loads((VECTORS / "commitment" / "commitment-test-vectors.json").read_text())["tests"]
    data_keys = {base64.b64decode(case["decrypted-dek"]) for case in cases} | {bytes(32)}
    opened = []
    for name in ("ct_good_commitment.bin", "ct_bad_commitment.bin"):
        for data_key in data_keys:
            try:
                ways = read_every_way((folder / name).read_bytes(), StaticKeyring(data_key), tmp_path)
            except StrongroomError:
                continue
            opened.append((name, ways[0]))
    assert opened == [("ct_good_commitment.bin", b"GoodCommitment")]
