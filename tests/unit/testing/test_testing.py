"""What users' own tests are given: a token that fails as it is told to, and rooms that are gone afterwards."""

import os
import threading
import time
from pathlib import Path

import pytest
import strongroom
from strongroom import testing
from strongroom.client.room import Room
from strongroom.errors import BadPassphrase, KeyNotFound, Misuse, ProviderUnavailable, RoomTampered
from strongroom.home import NewWay, init_room, open_room
from strongroom.home.tokens import check_health, probe
from strongroom.providers.pkcs11 import patience
from tokens import pin_file


def ask(room: Room) -> None:
    open_room(room.home).close()


def test_a_room_is_there_until_the_end(state: Path) -> None:
    before = dict(os.environ)
    with testing.room() as room:
        with strongroom.open() as again:
            assert again.decrypt(room.encrypt(b"text")) == b"text"
        assert not list(state.iterdir())
        home = Path(room.home)
    assert not home.exists()
    assert dict(os.environ) == before


@pytest.mark.parametrize("scheme", ["aes-gcm", "aes-cbc-hmac-sha256"])
def test_a_room_opens_by_a_token_that_is_not_there(scheme: str) -> None:
    with testing.FakeHsm(scheme=scheme) as hsm, testing.room(root=hsm.uri) as room:
        assert probe(hsm.uri.replace(";object=root", "")).scheme == scheme
        message = room.encrypt(b"text")
        with Room(room.home) as again:
            assert again.decrypt(message) == b"text"
        room.root.rotate(reason="test")
        ask(room)
    with pytest.raises(ProviderUnavailable), testing.room(root=hsm.uri):
        pass


def test_keks_can_be_in_it_too() -> None:
    with testing.FakeHsm() as hsm, testing.room() as room:
        room.classes.create("pii", level="hsm", token=hsm.uri.replace(";object=root", ""), lease_seconds=0)
        message = room.encrypt(b"text", data_class="pii")
        before = hsm.calls["C_Decrypt"]
        assert room.decrypt(message) == b"text"
        assert hsm.calls["C_Decrypt"] == before + 1
        hsm.gone()
        with pytest.raises(ProviderUnavailable):
            room.decrypt(message)
        hsm.back()
        assert room.decrypt(message) == b"text"


def test_faults_end_in_the_errors_that_a_real_token_ends_in() -> None:
    with testing.FakeHsm() as hsm, testing.room(root=hsm.uri) as room:
        hsm.fail("C_Decrypt", 0x30, times=1)
        ask(room)
        hsm.fail("C_Decrypt", 0x30)
        with pytest.raises(ProviderUnavailable, match="C_Decrypt returned 0x30"):
            ask(room)
        hsm.fail("C_Decrypt", 0x40)
        with pytest.raises(RoomTampered):
            ask(room)
        hsm.fail("C_Decrypt", 0x68)
        with pytest.raises(Misuse):
            ask(room)
        hsm.heal()
        ask(room)


def test_it_goes_and_comes_back_also_under_a_room_that_is_open() -> None:
    with testing.FakeHsm() as hsm, testing.room(root=hsm.uri) as room:
        root = room._service._root
        hsm.gone()
        with pytest.raises(ProviderUnavailable, match="no token"):
            root.backup_key()
        assert [type(health.error) for health in check_health(room.home)] == [ProviderUnavailable]
        hsm.back()
        root.backup_key().close()
        hsm.empty()
        for _ in range(2):
            with pytest.raises(KeyNotFound):
                root.backup_key()
        assert hsm.token.objects == {}


def test_a_call_that_hangs_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    with testing.FakeHsm() as hsm, testing.room(root=hsm.uri) as room:
        monkeypatch.setattr(patience, "CALL", 0.2)
        for call in ("C_Decrypt", "C_GetTokenInfo"):
            # whoever has to log in again looks for the token first
            hsm.back()
            hsm.hang(call, seconds=1)
            start = time.monotonic()
            with pytest.raises(ProviderUnavailable, match="did not return in time"):
                ask(room)
            assert time.monotonic() - start < 0.9
            hsm.heal()
        time.sleep(1.1)
        ask(room)


def test_a_wrong_pin_is_tried_once() -> None:
    with testing.FakeHsm() as hsm, testing.room(root=hsm.uri) as room:
        home = room.home
        room.close()
        pin_file(hsm.pin_file, "9999")
        before = hsm.calls["C_Login"]
        for _ in range(3):
            with pytest.raises(BadPassphrase):
                open_room(home)
        assert hsm.calls["C_Login"] == before + 1


def test_one_of_two_is_enough() -> None:
    with testing.FakeHsm() as first, testing.FakeHsm() as second, testing.room(root=first.uri) as room:
        room.ways.add(NewWay(token=second.uri), reason="a second token")
        first.gone()
        service = open_room(room.home)
        assert list(service.standing().values()) == [False, True]
        service.close()


def test_a_token_that_refuses_its_key_is_passed_over_as_well() -> None:
    with testing.FakeHsm() as first, testing.FakeHsm() as second, testing.room(root=first.uri) as room:
        room.ways.add(NewWay(token=second.uri), reason="a second token")
        first.fail("C_DecryptInit", 0x68)
        service = open_room(room.home)
        assert list(service.standing().values()) == [False, True]
        service.close()


def test_a_key_that_is_there_is_not_taken_and_what_was_changed_is_noticed(tmp_path: Path) -> None:
    with testing.FakeHsm() as hsm, testing.room(root=hsm.uri) as room:
        with pytest.raises(strongroom.errors.TargetExists):
            init_room(tmp_path / "second", root=hsm.uri, recovery=False)
        path = Path(room.home, "root.json")
        path.write_text(path.read_text().replace('"salt": "', '"salt": "00'))
        with pytest.raises(RoomTampered):
            ask(room)


def test_threads_share_it() -> None:
    failures: list[BaseException] = []
    with testing.FakeHsm() as hsm, testing.room(root=hsm.uri) as room:
        root = room._service._root

        def work() -> None:
            try:
                for _ in range(20):
                    root.backup_key().close()
            except Exception as error:  # noqa: BLE001 - whatever it is, the test fails by it
                failures.append(error)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert failures == []
