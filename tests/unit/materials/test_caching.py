"""Data keys that serve more than one call: what shares them, what never does, and where they end."""

from __future__ import annotations

import os
import time
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from strongroom import crypto
from strongroom.client import (
    CachingKeyring,
    decrypt_message,
    decrypt_message_into,
    decrypt_messages,
    encrypt_message,
    encrypt_message_into,
    encrypt_messages,
    encrypted_size,
)
from strongroom.errors import (
    AuthenticationFailed,
    KeyUnavailable,
    LimitExceeded,
    Misuse,
    StrongroomError,
    TruncatedMessage,
    UnsupportedFormat,
)
from strongroom.keyring import RawAesKeyring

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from strongroom.crypto import DataKey, Edk


class Counting(RawAesKeyring):
    """Knows how often it was asked."""

    def __init__(self) -> None:
        super().__init__("tests", "key", bytes(32))
        self.generated = self.unwrapped = 0

    def generate(self, length: int, context: Mapping[str, str]) -> tuple[DataKey, list[Edk]]:
        self.generated += 1
        return super().generate(length, context)

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        self.unwrapped += 1
        return super().unwrap(edks, context)


@pytest.fixture(name="inner")
def counting_keyring() -> Counting:
    return Counting()


def edk(message: bytes) -> bytes:
    return crypto.Header.parse(message).edks[0].ciphertext


def test_one_data_key_serves_every_way_in_and_out(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    assert repr(keyring) == "CachingKeyring(RawAesKeyring('tests', 'key'))"
    out = bytearray(encrypted_size(1000, keyring))
    messages = [encrypt_message(bytes(n), keyring) for n in range(50)]
    messages += encrypt_messages([bytes(n) for n in range(50)], keyring)
    assert encrypt_message_into(bytes(1000), out, keyring) == len(out)
    messages.append(bytes(out))
    assert (inner.generated, len({edk(m) for m in messages})) == (1, 1)
    assert len({crypto.Header.parse(m).message_id for m in messages}) == 101
    lengths = [len(decrypt_message(m, keyring)) for m in messages]
    assert [len(p) for p in decrypt_messages(messages, keyring)] == lengths == [*range(50), *range(50), 1000]
    assert decrypt_message_into(messages[7], bytearray(7), keyring) == 7
    assert inner.unwrapped == 1
    assert keyring.stats()["misses"] == 2
    # without the cache they are messages like any other
    assert len(decrypt_message(messages[9], inner)) == 9


def test_what_differs_shares_nothing(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    options: list[dict[str, object]] = [
        {},
        {"context": {"a": "b"}},
        {"context": {"a": "c"}},
        {"context": {"ab": ""}},
        {"context": {"a": "b", "c": "d"}},
        {"context": {"a": "b", "c": "d"}, "required_context": ["a"]},
        {"context": {"a": "b", "c": "d"}, "required_context": ["c"]},
        {"context": {"a": "b", "c": "d"}, "required_context": ["a", "c"]},
        {"suite": 0x0578},
        {"frame_length": 4096},
    ]
    messages = [encrypt_message(b"x", keyring, **o) for o in options for _ in range(3)]  # type: ignore[arg-type]
    assert (inner.generated, len({edk(m) for m in messages})) == (len(options), len(options))
    for message, o in zip(messages[::3], options, strict=True):
        assert decrypt_message(message, keyring, context=o.get("context")) == b"x"  # type: ignore[arg-type]


def test_the_order_and_type_of_a_context_do_not_matter(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    pairs = {f"key {i}": "ü" * i for i in range(40)}
    orders: list[Mapping[str, str]] = [pairs, dict(reversed(pairs.items())), MappingProxyType(pairs)]
    messages = [encrypt_message(b"x", keyring, context=context) for context in orders]
    assert inner.generated == 1
    for context in orders:
        assert decrypt_messages(messages, keyring, context=context) == [b"x"] * 3
    assert inner.unwrapped == 1


def test_a_context_is_checked_on_a_hit_as_on_a_miss(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    context = {"a": "b", "c": "d"}
    message = encrypt_message(b"x", keyring, context=context, required_context=["c"])
    for _ in range(2):
        assert decrypt_message(message, keyring, context=context) == b"x"
        assert decrypt_message(message, keyring, context={"c": "d"}) == b"x"
        for wrong in (None, {}, {"a": "b"}, {"a": "x", "c": "d"}, {"c": "x"}, {"c": "d", "e": "f"}):
            with pytest.raises(AuthenticationFailed):
                decrypt_message(message, keyring, context=wrong)
            with pytest.raises(AuthenticationFailed):
                decrypt_messages([message] * 3, keyring, context=wrong)
    for odd in ({"a": 1}, {"aws-crypto-x": "y"}, {"strongroom-class": "default"}):
        with pytest.raises(Misuse):
            encrypt_message(b"x", keyring, context=odd)  # type: ignore[arg-type]


def test_tampering_is_found_on_a_hit(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    message = encrypt_message(b"plaintext", keyring)
    assert decrypt_message(message, keyring) == b"plaintext"
    for at in range(len(message)):
        altered = bytearray(message)
        altered[at] ^= 1
        with pytest.raises(StrongroomError):
            decrypt_message(altered, keyring)
    for length in range(len(message)):
        with pytest.raises(TruncatedMessage):
            decrypt_message(message[:length], keyring)
    with pytest.raises(AuthenticationFailed):
        decrypt_messages([message, message[:-1] + bytes([message[-1] ^ 1])], keyring)


def test_a_commitment_policy_does_not_inherit_what_another_allowed() -> None:
    inner = Fixed()
    keyring = CachingKeyring(inner)
    message = uncommitted(b"old")
    for _ in range(2):
        assert decrypt_message(message, keyring, commitment_policy="require-encrypt-allow-decrypt") == b"old"
        with pytest.raises(UnsupportedFormat):
            decrypt_message(message, keyring)
        with pytest.raises(UnsupportedFormat):
            decrypt_messages([message], keyring)
        with pytest.raises(Misuse):
            decrypt_message(message, keyring, commitment_policy="whatever")
    assert inner.unwrapped == 1


def test_caps_hold_on_a_hit(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    small, large = (encrypt_message(b"x", keyring, frame_length=length) for length in (4096, 65536))
    # the same encrypted data key under another frame length, as an attacker would write it
    assert decrypt_message(small, keyring) == decrypt_message(large, keyring) == b"x"
    with pytest.raises(LimitExceeded):
        decrypt_message(large, keyring, caps=crypto.Caps(frame=4096))
    with pytest.raises(LimitExceeded):
        decrypt_messages([small, large], keyring, caps=crypto.Caps(frame=4096))
    with pytest.raises(LimitExceeded):
        decrypt_message(small, keyring, caps=crypto.Caps(header=64))


@pytest.mark.parametrize("limits", [{"max_messages": 10}, {"max_bytes": 1000}])
def test_a_data_key_serves_no_more_than_its_limits(inner: Counting, limits: dict[str, int]) -> None:
    keyring = CachingKeyring(inner, **limits)  # type: ignore[arg-type]
    messages = encrypt_messages([bytes(100)] * 95, keyring)
    messages += [encrypt_message(bytes(100), keyring) for _ in range(25)]
    uses = [edk(message) for message in messages]
    assert max(uses.count(key) for key in set(uses)) == 10
    with pytest.raises(LimitExceeded):
        encrypt_message(bytes(1001), CachingKeyring(inner, max_bytes=1000))


def test_readers_have_limits_too(inner: Counting) -> None:
    message = encrypt_message(b"x", inner)
    keyring = CachingKeyring(inner, max_messages=10)
    assert decrypt_messages([message] * 25, keyring) == [b"x"] * 25
    assert inner.unwrapped == 3
    assert [decrypt_message(message, keyring) for _ in range(6)] == [b"x"] * 6
    assert inner.unwrapped == 4


def test_a_data_key_ends_with_its_age(inner: Counting) -> None:
    keyring = CachingKeyring(inner, max_age=0.05)
    before = edk(encrypt_message(b"x", keyring))
    time.sleep(0.06)
    assert edk(encrypt_message(b"x", keyring)) != before
    keyring = CachingKeyring(inner)
    before = edk(encrypt_message(b"x", keyring))
    keyring.clear()
    assert edk(encrypt_message(b"x", keyring)) != before


def test_limits_that_make_no_sense_are_refused(inner: Counting) -> None:
    for wrong in (
        {"max_age": 0},
        {"max_messages": 0},
        {"max_messages": 2**32 + 1},
        {"max_bytes": 0},
        {"max_bytes": 2**60 + 1},
        {"capacity": 0},
    ):
        with pytest.raises(Misuse):
            CachingKeyring(inner, **wrong)  # type: ignore[arg-type]


def test_many_ask_once_for_each_data_key() -> None:
    inner = Counting()
    messages = [encrypt_message(b"%d" % n, inner, context={"n": str(n % 3)}) for n in range(3)]
    mixed = messages * 5 + messages[::-1]
    for keyring in (inner, CachingKeyring(inner)):
        inner.unwrapped = 0
        assert decrypt_messages(mixed, keyring) == [b"0", b"1", b"2"] * 5 + [b"2", b"1", b"0"]
        assert inner.unwrapped == 3
    assert decrypt_messages([], inner) == encrypt_messages([], inner) == []


def test_signed_messages_are_read_from_the_cache(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    messages = encrypt_messages([b"x"] * 4, keyring, suite=0x0578)
    assert decrypt_messages(messages, keyring) == [b"x"] * 4
    assert [decrypt_message(message, keyring) for message in messages] == [b"x"] * 4
    assert inner.unwrapped == 1
    # the public key stands in the context, so that a message of another signer is none of these
    other = encrypt_message(b"x", inner, suite=0x0578)
    assert decrypt_message(other, keyring) == b"x"
    with pytest.raises(AuthenticationFailed):
        decrypt_message(messages[0][:-1] + bytes([messages[0][-1] ^ 1]), keyring)


def test_a_forked_child_has_no_data_keys(inner: Counting) -> None:
    keyring = CachingKeyring(inner)
    message = encrypt_message(b"x", keyring)
    decrypt_message(message, keyring)
    pid = os.fork()
    if pid == 0:
        failed = 0
        for call in (lambda: encrypt_message(b"x", keyring), lambda: decrypt_message(message, keyring), keyring.stats):
            try:
                call()
            except KeyUnavailable:
                failed += 1
        keyring.clear()
        os._exit(failed)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 3
    assert decrypt_message(message, keyring) == b"x"


class Fixed:
    """Unwraps whatever it is shown into one data key."""

    def __init__(self) -> None:
        self.unwrapped = 0

    def generate(self, length: int, context: Mapping[str, str]) -> tuple[DataKey, list[Edk]]:
        raise AssertionError("a reader wraps nothing")

    def wrap(self, data_key: DataKey, context: Mapping[str, str]) -> list[Edk]:
        raise AssertionError("a reader wraps nothing")

    def unwrap(self, edks: Sequence[Edk], context: Mapping[str, str]) -> DataKey:
        self.unwrapped += 1
        return crypto.DataKey.from_caller(bytes(32))


def uncommitted(plaintext: bytes) -> bytes:
    """A message of version 1 without key derivation (suite 0x0078), by the specification, under 32 zero bytes."""
    cipher, message_id = AESGCM(bytes(32)), bytes(16)
    head = bytes.fromhex("01800078") + message_id + bytes(2)
    head += bytes.fromhex("0001 0001 70 0001 69 0001 63") + bytes.fromhex("02 00000000 0c 00001000")
    tag = cipher.encrypt(bytes(12), b"", head)
    aad = message_id + b"AWSKMSEncryptionClient Final Frame" + (1).to_bytes(4) + len(plaintext).to_bytes(8)
    nonce = (1).to_bytes(12)
    frame = b"\xff" * 4 + (1).to_bytes(4) + nonce + len(plaintext).to_bytes(4) + cipher.encrypt(nonce, plaintext, aad)
    return head + bytes(12) + tag + frame
