"""Rooms whose root is in NSS's software token, which wants to be told where its database is."""

import json
import os
from pathlib import Path

import pytest
from strongroom.client.room import Room
from strongroom.errors import BadPassphrase, KeyNotFound, Misuse, RoomTampered
from strongroom.providers.pkcs11.module import reserved
from tokens import Token, TokenRoom, in_child, make_token_room, pin_file, unique


@pytest.fixture
def made(nss_token: Token, state: Path, tmp_path: Path) -> TokenRoom:
    return make_token_room(tmp_path, nss_token.uri(unique("root")))


def test_a_room_opens_by_it(made: TokenRoom) -> None:
    (entry,) = json.loads((made.home / "root.json").read_text())["entries"]
    assert entry["parameters"]["scheme"] == "aes-gcm"
    with Room(made.home) as room:
        message = room.encrypt(b"text")
        room.root.rotate(reason="test")
    with Room(made.home) as room:
        assert room.decrypt(message) == b"text"
    assert in_child(lambda: Room(made.home).decrypt(message)) == "b'text'"


def test_an_entry_that_was_changed_is_told_from_a_token_that_fails(made: TokenRoom) -> None:
    path = made.home / "root.json"
    document = json.loads(path.read_text())
    document["entries"][0]["parameters"]["salt"] += "0"
    path.write_text(json.dumps(document))
    with pytest.raises(RoomTampered, match="not wrapped by the key"):
        made.open()


def test_a_wrong_pin_and_a_key_that_is_not_there(made: TokenRoom, nss_token: Token, tmp_path: Path) -> None:
    with pytest.raises(KeyNotFound):
        make_token_room(tmp_path / "other", nss_token.uri(unique("none")), existing=True)
    right = nss_token.pin_file.read_text()
    pin_file(nss_token.pin_file, "not the PIN")
    try:
        with pytest.raises(BadPassphrase, match="wrong"):
            made.open()
    finally:
        nss_token.pin_file.write_text(right)
    os.utime(nss_token.pin_file)
    made.open().close()


def test_without_a_place_of_its_database_it_is_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NSS_LIB_PARAMS", raising=False)
    with pytest.raises(Misuse, match="NSS_LIB_PARAMS"):
        reserved("/usr/lib/libsoftokn3.so")
    assert reserved("/usr/lib/softhsm/libsofthsm2.so") is None
