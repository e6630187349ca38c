"""Messages exchanged with the official AWS Encryption SDK for Python, live, in both directions."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest
import strongroom
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from interop import peer
from rooms import MadeRoom, room, state
from strongroom import crypto
from strongroom.client import decrypt_message, encrypt_message
from strongroom.keyring import MultiKeyring, RawAesKeyring, RawRsaKeyring
from strongroom.materials import encryption_materials
from tokens import SoftHsm, imported, softhsm
from vectors.esdk import read_every_way

from tools import offline_decrypt

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["room", "softhsm", "state"]

KEY = bytes(range(32))
CONTEXT = {"tenant": "acme", "purpose": "interop", "ünïcode": "värde"}
FRAMES = (128, 4096, 65536, 1 << 20)


@pytest.mark.parametrize("suite", [0x0478, 0x0578])
@pytest.mark.parametrize("frame_length", FRAMES)
def test_both_ways_at_every_boundary(suite: int, frame_length: int, tmp_path: Path) -> None:
    ours, theirs = RawAesKeyring(peer.NAMESPACE, peer.NAME, KEY), peer.aes_keyring(KEY)
    f = frame_length
    for length in (0, 1, f - 1, f, f + 1, 2 * f, 2 * f + 1):
        plaintext = os.urandom(length)
        message = encrypt_message(plaintext, ours, context=CONTEXT, suite=suite, frame_length=f)
        assert peer.decrypt(message, theirs, CONTEXT) == plaintext
        for way in _other_writers(plaintext, ours, suite, f, tmp_path):
            assert peer.decrypt(way, theirs) == plaintext
        received = peer.encrypt(plaintext, theirs, CONTEXT, suite, f)
        assert all(way == plaintext for way in read_every_way(received, ours, tmp_path, CONTEXT))


def _other_writers(
    plaintext: bytes, keyring: RawAesKeyring, suite: int, frame_length: int, tmp_path: Path
) -> list[bytes]:
    """The same plaintext as a stream, a file and a file object."""
    materials = encryption_materials(keyring, context=CONTEXT, suite=suite, frame_length=frame_length)
    streamed = io.BytesIO()
    crypto.encrypt_stream(materials, io.BytesIO(plaintext), streamed)
    source, target, written = tmp_path / "source", tmp_path / "target", tmp_path / "written"
    source.write_bytes(plaintext)
    crypto.encrypt_file(materials, source, target, force=True)
    writer = crypto.MessageWriter(materials, written, force=True)
    for start in range(0, len(plaintext), 100_003):
        writer.write(plaintext[start : start + 100_003])
    writer.finish()
    return [streamed.getvalue(), target.read_bytes(), written.read_bytes()]


def test_rsa_both_ways() -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    ours = RawRsaKeyring(peer.NAMESPACE, peer.NAME, private_pem=private, public_pem=public)
    theirs = peer.rsa_keyring(private, public)
    assert peer.decrypt(encrypt_message(b"rsa", ours), theirs) == b"rsa"
    assert decrypt_message(peer.encrypt(b"rsa", theirs, {}, 0x0478, 4096), ours) == b"rsa"


def test_multi_both_ways() -> None:
    keys = [os.urandom(32) for _ in range(3)]
    ours = [RawAesKeyring(peer.NAMESPACE, f"key-{i}", key) for i, key in enumerate(keys)]
    theirs = [peer.aes_keyring(key, name=f"key-{i}") for i, key in enumerate(keys)]
    message = encrypt_message(b"multi", MultiKeyring(ours[0], ours[1:]), context=CONTEXT)
    received = peer.encrypt(b"multi", peer.multi_keyring(theirs[0], theirs[1:]), CONTEXT, 0x0478, 4096)
    for mine, other in zip(ours, theirs, strict=True):
        assert peer.decrypt(message, other) == b"multi"
        assert decrypt_message(received, mine) == b"multi"
    assert decrypt_message(received, MultiKeyring(None, ours)) == b"multi"


def test_required_context_must_be_given_again() -> None:
    ours, theirs = RawAesKeyring(peer.NAMESPACE, peer.NAME, KEY), peer.aes_keyring(KEY)
    message = encrypt_message(b"x", ours, context=CONTEXT, required_context=["tenant"])
    assert b"acme" not in message
    assert peer.decrypt(message, theirs, CONTEXT) == b"x"
    assert decrypt_message(message, ours, context={"tenant": "acme"}) == b"x"
    for wrong in (None, {"tenant": "other"}):
        with pytest.raises(Exception, match="authentication failed"):
            decrypt_message(message, ours, context=wrong)


def test_the_official_sdk_reads_a_room_given_its_kek(room: MadeRoom) -> None:
    """The KEK is unwrapped by the program that needs only the specification; each version is a raw AES key."""
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        key = opened.keys.list()[0].id
        messages = [opened.encrypt(b"first", context=CONTEXT)]
        opened.keys.rotate(key)
        opened.classes.create("signed", suite=0x0578)
        messages += [
            opened.encrypt(b"x" * 200_000, context={"after": "rotation"}),
            opened.encrypt(b"s", data_class="signed"),
        ]
    offline = offline_decrypt.Room(room.home, room.key_file.read_bytes())
    for message, plaintext in zip(messages, (b"first", b"x" * 200_000, b"s"), strict=True):
        edk = crypto.Header.parse(message).edks[0]
        name = edk.provider_info[:-20].decode()
        keyring = peer.aes_keyring(offline.kek(name), namespace="strongroom", name=name)
        assert peer.decrypt(message, keyring) == plaintext


@pytest.mark.parametrize("suite", [0x0478, 0x0578])
def test_the_official_sdk_reads_what_was_re_encrypted(room: MadeRoom, suite: int, tmp_path: Path) -> None:
    """Files and the messages of a tree, small and large, under the version that they were moved to."""
    source, tree, single = tmp_path / "source", tmp_path / "tree", tmp_path / "single.sr"
    source.mkdir()
    plaintexts = {"small": b"small", "empty": b"", "large": os.urandom((9 << 20) + 1)}
    for name, plaintext in plaintexts.items():
        (source / name).write_bytes(plaintext)
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        opened.encrypt_tree(source, tree, context=CONTEXT)
        opened.encrypt_file(source / "large", single, context=CONTEXT)
        key = opened.keys.rotate(opened.keys.list()[0].id)
        assert opened.reencrypt(tree, to_suite=suite).moved == len(plaintexts)
        assert opened.reencrypt(single, to_suite=suite).moved == 1
    name = f"{key.id}/{key.primary}"
    kek = offline_decrypt.Room(room.home, room.key_file.read_bytes()).kek(name)
    keyring = peer.aes_keyring(kek, namespace="strongroom", name=name)
    messages = {single: plaintexts["large"]} | {tree / f"{name}.sr": plaintexts[name] for name in plaintexts}
    for path, plaintext in messages.items():
        assert peer.decrypt(path.read_bytes(), keyring, CONTEXT) == plaintext
        assert crypto.Header.parse(path.read_bytes()).suite == suite


def test_the_official_sdk_reads_what_a_token_has_wrapped(room: MadeRoom, softhsm: SoftHsm, tmp_path: Path) -> None:
    """Given the same raw key, which was put into SoftHSM; and the token reads what the SDK has wrapped by it."""
    token = softhsm.new_token("interop")
    uri = imported(token, tmp_path, KEY, "brought")
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        made = opened.classes.create("pii", level="hsm", token=uri.replace(";object=brought", ""))
        key = opened.keys.rotate(made.key_id, kek=uri, reason="our own")
        message = opened.encrypt(b"under the HSM", data_class="pii", context=CONTEXT)
        theirs = peer.aes_keyring(KEY, "strongroom", f"{key.id}/{key.primary}")
        assert peer.decrypt(message, theirs, CONTEXT) == b"under the HSM"
        received = peer.encrypt(b"by the SDK", theirs, {**CONTEXT, "strongroom-class": "pii"}, 0x0478, 4096)
        assert opened.decrypt(received, context=CONTEXT) == b"by the SDK"
