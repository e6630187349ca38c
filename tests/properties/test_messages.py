"""Messages over lengths, frame lengths, contexts and suites, through every reader and writer."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
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
from strongroom.errors import AuthenticationFailed, StrongroomError
from strongroom.keyring import RawAesKeyring
from strongroom.materials import encryption_materials
from vectors.esdk import read_every_way

if TYPE_CHECKING:
    from pathlib import Path

KEYRING = RawAesKeyring("tests", "key", bytes(32))
CACHING = CachingKeyring(KEYRING)

words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
contexts = st.dictionaries(words.filter(lambda w: not w.startswith(("aws-crypto-", "strongroom-"))), words, max_size=5)
suites = st.sampled_from([0x0478, 0x0578])
frame_lengths = st.integers(1, 300)


@st.composite
def plaintexts(draw: st.DrawFn, frame_length: int) -> bytes:
    """Lengths round every frame boundary, and others."""
    frames = draw(st.integers(0, 4))
    length = (
        max(frames * frame_length + draw(st.integers(-1, 1)), 0) if draw(st.booleans()) else draw(st.integers(0, 999))
    )
    return bytes(i * 7 % 256 for i in range(length))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), context=contexts, suite=suites, frame_length=frame_lengths)
def test_every_way_reads_what_every_way_writes(
    data: st.DataObject, context: dict[str, str], suite: int, frame_length: int, tmp_path: Path
) -> None:
    plaintext = data.draw(plaintexts(frame_length))
    options = {"context": context, "suite": suite, "frame_length": frame_length}
    message = encrypt_message(plaintext, KEYRING, **options)  # type: ignore[arg-type]
    assert len(message) == encrypted_size(len(plaintext), KEYRING, **options)  # type: ignore[arg-type]
    cached = encrypt_message(plaintext, CACHING, **options)  # type: ignore[arg-type]
    out = bytearray(len(message) + 3)
    assert encrypt_message_into(plaintext, out, KEYRING, **options) == len(message)  # type: ignore[arg-type]
    streamed = io.BytesIO()
    crypto.encrypt_stream(encryption_materials(KEYRING, **options), io.BytesIO(plaintext), streamed)  # type: ignore[arg-type]
    for written in (message, cached, bytes(out[: len(message)]), streamed.getvalue()):
        assert decrypt_message(written, CACHING, context=context) == plaintext
        assert crypto.Header.parse(written).context.items() >= context.items()
        assert all(way == plaintext for way in read_every_way(written, KEYRING, tmp_path, context))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.binary(max_size=500), max_size=40), contexts)
def test_many_messages(items: list[bytes], context: dict[str, str]) -> None:
    messages = encrypt_messages(items, KEYRING, context=context)
    assert decrypt_messages(messages, KEYRING, context=context) == items
    cached = encrypt_messages(items, CACHING, context=context)
    assert decrypt_messages([*messages, *cached], CACHING, context=context) == items * 2
    ids = {crypto.Header.parse(message).message_id for message in messages}
    assert len(ids) == len(items)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300), st.data())
def test_any_edit_is_refused_and_releases_nothing(plaintext: bytes, data: st.DataObject) -> None:
    message = bytearray(encrypt_message(plaintext, KEYRING, frame_length=64))
    at = data.draw(st.integers(0, len(message) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "insert"]))
    if kind == "flip":
        message[at] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        del message[at : at + data.draw(st.integers(1, 9))]
    else:
        message[at:at] = b"\xff" * data.draw(st.integers(1, 9))
    out = bytearray(b"\xaa" * 1000)
    with pytest.raises(StrongroomError):
        decrypt_message(message, KEYRING)
    with pytest.raises(StrongroomError):
        decrypt_message_into(message, out, KEYRING)
    assert set(out) <= {0, 0xAA}


@given(contexts.filter(bool))
@settings(max_examples=50, deadline=None)
def test_the_context_is_checked(context: dict[str, str]) -> None:
    message = encrypt_message(b"x", KEYRING, context=context)
    key, value = next(iter(context.items()))
    with pytest.raises(AuthenticationFailed):
        decrypt_message(message, KEYRING, context={key: value + "x"})
    with pytest.raises(AuthenticationFailed):
        decrypt_message(message, KEYRING, context={"not" + key + "there": value})
