import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strongroom.crypto import Edk
from strongroom.errors import Misuse
from strongroom.keys import (
    KeyName,
    check_class_name,
    check_context,
    context_digest,
    kek_binding,
    length_prefixed,
    mac_key_binding,
    new_id,
    root_binding,
)

ROOM = "0" * 32


def test_ids_are_random_lowercase_hex() -> None:
    ids = {new_id() for _ in range(100)}
    assert len(ids) == 100
    assert all(len(i) == 32 and set(i) <= set("0123456789abcdef") for i in ids)


def test_key_names_round_trip() -> None:
    name = KeyName(new_id(), 12)
    assert KeyName.parse(str(name)) == name
    assert KeyName.of(edk("strongroom", str(name))) == name
    assert KeyName.of(edk("strangers", str(name))) is None
    assert KeyName.of(Edk("strongroom-aes-cbc-hmac-sha256", str(name).encode(), b"")) == name
    assert KeyName.of(Edk("strongroom-backup", str(name).encode(), b"")) is None


def edk(provider: str, name: str) -> Edk:
    return Edk(provider, name.encode() + bytes.fromhex("000000800000000c") + bytes(12), b"")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a" * 32,
        "a" * 32 + "/0",
        "a" * 32 + "/01",
        "A" * 32 + "/1",
        "a" * 32 + "/1\n",
        "a" * 31 + "/1",
        "a" * 32 + "/٣",
    ],
)
def test_what_is_no_key_name(text: str) -> None:
    assert KeyName.parse(text) is None
    assert KeyName.of(edk("strongroom", text)) is None


def test_reserved_context_keys_are_refused() -> None:
    check_context(["tenant", "strongroom"])
    with pytest.raises(Misuse, match="strongroom-class"):
        check_context(["strongroom-class"])


@pytest.mark.parametrize("name", ["", "-a", "A", "a b", "a" * 65, "ä", "a\n"])
def test_bad_class_names(name: str) -> None:
    with pytest.raises(Misuse):
        check_class_name(name)
    check_class_name("pii.eu-1_x")


def test_bindings_differ_in_every_part() -> None:
    bindings = [
        kek_binding(ROOM, 1, "a", 1),
        kek_binding(ROOM, 1, "a", 2),
        kek_binding(ROOM, 1, "b", 1),
        kek_binding(ROOM, 2, "a", 1),
        kek_binding("1" * 32, 1, "a", 1),
        mac_key_binding(ROOM, 1),
        root_binding(ROOM, 1, "passphrase", {"kdf": "x"}),
        root_binding(ROOM, 1, "key-file", {"kdf": "x"}),
        root_binding(ROOM, 1, "passphrase", {"kdf": "y"}),
    ]
    assert len(set(bindings)) == len(bindings)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_fields_that_were_joined_can_be_told_apart_again(fields: list[bytes]) -> None:
    joined, found = length_prefixed(*fields), []
    while joined:
        end = 4 + int.from_bytes(joined[:4], "big")
        found.append(joined[4:end])
        joined = joined[end:]
    assert found == fields


def test_context_digest_is_by_key_and_not_by_order() -> None:
    expected = hashlib.sha256(length_prefixed(b"a", b"1", "ä".encode(), b"2")).hexdigest()
    assert context_digest({"ä": "2", "a": "1"}) == context_digest({"a": "1", "ä": "2"}) == expected
