"""Rooms whose root is in a token, on SoftHSM (AES-GCM) and opencryptoki (AES-CBC and HMAC)."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST
from strongroom import crypto
from strongroom.cli.machine import tokens_answer
from strongroom.client.room import Room
from strongroom.errors import (
    KeyNotFound,
    Misuse,
    ProviderUnavailable,
    RoomLocked,
    RoomTampered,
    RoomUnsafe,
    TargetExists,
)
from strongroom.home import NewWay, Unlock, init_room, open_room
from strongroom.home.tokens import check_health, list_ways, probe
from strongroom.keyservice import keks
from strongroom.observe.prometheus import PrometheusMeter
from strongroom.providers.pkcs11 import patience
from strongroom.providers.pkcs11.module import module
from strongroom.providers.pkcs11.root import Standing
from strongroom.recovery import create_backup, restore_backup, verify_backup
from tokens import Proxy, SoftHsm, Token, TokenRoom, make_token_room, unique

SCHEMES = {"softhsm": "aes-gcm", "opencryptoki": "aes-cbc-hmac-sha256"}


@pytest.fixture
def token_room(token: Token, state: Path, tmp_path: Path) -> TokenRoom:
    return make_token_room(tmp_path, token.uri(unique("root")))


def entries(home: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((home / "root.json").read_text())["entries"]
    return found


def test_a_room_opens_by_its_token_alone(token_room: TokenRoom, request: pytest.FixtureRequest) -> None:
    service = token_room.open()
    made = service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()
    service = token_room.open()
    assert service.unwrap_dek(REQUEST, [made.edk], CONTEXT).data_key == made.data_key
    service.close()
    (entry,) = entries(token_room.home)
    parameters = entry["parameters"]
    assert isinstance(parameters, dict)
    assert parameters["scheme"] == SCHEMES[request.node.callspec.params["token"]]
    assert "serial=" in parameters["uri"]
    assert "id=%" in parameters["uri"]


def test_a_key_that_is_there_is_not_taken_unless_it_is_said(token_room: TokenRoom, tmp_path: Path) -> None:
    with pytest.raises(TargetExists, match="--existing"):
        make_token_room(tmp_path / "second", token_room.uri)
    assert not (tmp_path / "second" / "room").exists()
    second = make_token_room(tmp_path / "second", token_room.uri, existing=True)
    second.open().close()
    token_room.open().close()


def test_a_key_that_is_not_there_is_not_made_for_existing(token: Token, state: Path, tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(KeyNotFound):
            make_token_room(tmp_path, token.uri(unique("none")), existing=True)
    assert not (tmp_path / "room").exists()


def test_no_key_is_left_of_a_room_that_did_not_come_to_be(
    token: Token, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = token.uri(unique("root"))
    with monkeypatch.context() as broken:
        broken.setattr("pathlib.Path.rename", lambda *_: (_ for _ in ()).throw(OSError(5, "no luck")))
        with pytest.raises(OSError, match="no luck"):
            make_token_room(tmp_path, uri)
    make_token_room(tmp_path, uri).open().close()


@pytest.mark.parametrize("part", ["sealed", "salt", "added"])
def test_an_entry_that_was_changed_is_told_from_a_token_that_fails(token_room: TokenRoom, part: str) -> None:
    path = token_room.home / "root.json"
    document = json.loads(path.read_text())
    entry = document["entries"][0]
    if part == "sealed":
        first = entry["sealed"][0]
        entry["sealed"] = ("A" if first != "A" else "B") + entry["sealed"][1:]
    else:
        entry["parameters"][part] += "0"
    path.write_text(json.dumps(document))
    with pytest.raises(RoomTampered, match="not wrapped by the key"):
        token_room.open()


def test_an_entry_that_names_another_scheme_does_not_open(token_room: TokenRoom) -> None:
    path = token_room.home / "root.json"
    for scheme in {*SCHEMES.values(), "rot13", "rsa-oaep-sha256"} - {
        entries(token_room.home)[0]["parameters"]["scheme"]
    }:  # type: ignore[index]
        document = json.loads(path.read_text())
        document["entries"][0]["parameters"]["scheme"] = scheme
        path.write_text(json.dumps(document))
        with pytest.raises((RoomTampered, Misuse)):
            token_room.open()


def test_the_root_is_rotated_under_the_same_key(token_room: TokenRoom) -> None:
    with Room(token_room.home) as room:
        message = room.encrypt(b"before")
        info, kits = room.root.rotate(reason="yearly")
        assert (info.version, [way.kind for way in info.ways], kits) == (2, ["pkcs11"], [])
        assert room.decrypt(message) == b"before"
    with Room(token_room.home) as room:
        assert room.decrypt(message) == b"before"


def test_ways_come_and_go_beside_a_token(token_room: TokenRoom, token: Token, tmp_path: Path) -> None:
    with Room(token_room.home) as room:
        room.ways.add(NewWay(make_key_file=tmp_path / "key"), reason="a second way")
        room.ways.add(NewWay(token=token.uri(unique("next"))), reason="a new key")
        first, key_file, second = (way.id for way in room.ways.list())
        with pytest.raises(Misuse, match="opened the room by this way"):
            room.ways.remove(first)
    with Room(token_room.home, Unlock(key_file=tmp_path / "key")) as room:
        room.ways.remove(first)
    assert [way.id for way in list_ways(token_room.home)] == [key_file, second]
    token_room.open().close()


def test_a_refused_way_leaves_no_key_in_the_token(token_room: TokenRoom, token: Token) -> None:
    uri = token.uri(unique("refused"))
    with Room(token_room.home) as room, pytest.raises(Misuse, match="no way 'unknown'"):
        room.ways.change("unknown", NewWay(token=uri))
    with pytest.raises(KeyNotFound):
        make_token_room(token_room.home.parent / "other", uri, existing=True)


def test_a_backup_opens_by_the_token_that_the_caller_names(token_room: TokenRoom, tmp_path: Path, token: Token) -> None:
    with Room(token_room.home) as room:
        message = room.encrypt(b"before the fire")
        create_backup(room, tmp_path / "backup")
    with pytest.raises(RoomLocked, match="--token"):
        verify_backup(tmp_path / "backup", token_room.home)
    named = Unlock(token=token_room.uri)
    assert verify_backup(tmp_path / "backup", token_room.home, named).recorded
    restored = restore_backup(tmp_path / "backup", tmp_path / "restored", named)
    with Room(restored.home) as room:
        assert room.decrypt(message) == b"before the fire"


def test_a_root_that_somebody_else_wrote_loads_no_module(
    token_room: TokenRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("strongroom.home.opening.os.geteuid", lambda: 12345)
    os.chown(token_room.home / "root.json", 54321, 54321)
    with pytest.raises(RoomLocked, match="--token"):
        token_room.open()
    with pytest.raises(RoomUnsafe):
        check_health(token_room.home)


def test_another_place_of_module_and_pin_is_given_by_the_caller(
    token_room: TokenRoom, token: Token, tmp_path: Path
) -> None:
    moved = token.pin_file.rename(tmp_path / "moved")
    try:
        with pytest.raises(OSError, match="No such file"):
            token_room.open()
        uri = f"pkcs11:token={token.label}?module-path={token.module}&pin-source=file:{moved}"
        token_room.open(Unlock(token=uri)).close()
        with pytest.raises(RoomLocked, match="no token"):
            token_room.open(Unlock(token=uri.replace(token.label, "other")))
    finally:
        moved.rename(token.pin_file)


def test_a_kek_is_lent_for_a_minute(token_room: TokenRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [keks.clock()]
    monkeypatch.setattr(keks, "clock", lambda: now[0])
    asked = []
    service = token_room.open()
    unwrap = type(service._root).unwrap_kek
    monkeypatch.setattr(
        type(service._root), "unwrap_kek", lambda root, *given: (asked.append(now[0]), unwrap(root, *given))[1]
    )
    for later in (0, 59, 1, 30, 30):
        now[0] += later
        service.generate_dek(REQUEST, "default", CONTEXT)
    assert len(asked) == 3
    service.close()


def test_a_token_that_is_probed_keeps_nothing(token: Token, request: pytest.FixtureRequest) -> None:
    for _ in range(2):
        facts = probe(token.uri().replace(";object=root", ""))
        assert (facts.label, facts.scheme) == (token.label, SCHEMES[request.node.callspec.params["token"]])
        assert "AES_CBC" in facts.mechanisms
    with pytest.raises(KeyNotFound):
        init_room(Path("/nonexistent/room"), root=token.uri("strongroom-probe"), existing=True, recovery=False)


def test_threads_share_a_token(token_room: TokenRoom) -> None:
    root = token_room.open()._root
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(20):
                root.backup_key().close()
        except Exception as error:  # noqa: BLE001 - whatever it is, the test fails by it
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_any_of_two_tokens_opens(
    soft_token: Token, softhsm: SoftHsm, ock_token: Token, state: Path, tmp_path: Path
) -> None:
    made = make_token_room(tmp_path, soft_token.uri())
    with Room(made.home) as room:
        room.ways.add(NewWay(token=ock_token.uri(unique("root"))), reason="a second token")
        first, second = room.ways.list()
    softhsm.tokens.rename(softhsm.directory / "away")
    try:
        (softhsm.directory / "tokens").mkdir()
        service = open_room(made.home)
        assert service._root.degraded == (first.id,)
        assert dict(service.standing()) == {first.id: False, second.id: True}
        assert [health.error is None for health in check_health(made.home)] == [False, True]
        assert [check.verdict for check in tokens_answer(made.home)] == ["warn"]
        service.generate_dek(REQUEST, "default", CONTEXT)
    finally:
        softhsm.tokens.rmdir()
        (softhsm.directory / "away").rename(softhsm.tokens)
    service._root.backup_key().close()
    assert [health.error for health in check_health(made.home)] == [None, None]
    assert [check.verdict for check in tokens_answer(made.home)] == ["ok"]
    service.close()
    assert second.kind == "pkcs11"


def test_a_spare_token_that_died_is_seen_while_the_first_works(
    proxy: Proxy, soft_token: Token, ock_token: Token, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_token_room(tmp_path, ock_token.uri(unique("root")))
    with Room(made.home) as room:
        room.ways.add(NewWay(token=soft_token.uri(module=proxy.module)), reason="a second token")
        first, second = (way.id for way in room.ways.list())
    meter = PrometheusMeter()
    with Room(made.home) as room:
        proxy.does("C_DecryptInit 0x32")
        room.measure(meter)
        assert (up(meter, first), up(meter, second)) == (1, 0)
        proxy.does()
        room.measure(meter)
        # it is left alone for a while
        assert up(meter, second) == 0
        now = time.monotonic()
        monkeypatch.setattr("strongroom.providers.pkcs11.root.time.monotonic", lambda: now + 61)
        room.measure(meter)
        assert up(meter, second) == 1


def up(meter: PrometheusMeter, way: str) -> float | None:
    return meter.registry.get_sample_value("strongroom_token_up", {"way": way})


def test_a_token_that_goes_on_failing_is_left_alone_for_longer_and_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.providers.pkcs11.root.time.monotonic", lambda: 1000.0)
    standing = Standing()
    pauses = []
    for _ in range(8):
        standing.failed()
        pauses.append(standing.avoided_until - 1000)
    for pause, whole in zip(pauses, [30, 60, 120, 240, 480, 480, 480, 480], strict=True):
        assert 0.75 * whole <= pause <= 1.25 * whole
    # not all who lost it come back at once
    assert len({pause / min(30 * 2**turn, 480) for turn, pause in enumerate(pauses)}) > 1
    standing.answered()
    assert (standing.failures, standing.avoided_until) == (0, 0)


def test_a_health_check_waits_for_no_token_longer_than_it_may(
    proxy: Proxy, soft_token: Token, ock_token: Token, state: Path, tmp_path: Path
) -> None:
    made = make_token_room(tmp_path, soft_token.uri(module=proxy.module))
    with Room(made.home) as room:
        room.ways.add(NewWay(token=ock_token.uri(unique("root"))), reason="a second token")
    proxy.does("C_Decrypt sleep 2")
    start = time.monotonic()
    found = check_health(made.home, within=0.5)
    assert time.monotonic() - start < 1.5
    assert [type(health.error) for health in found] == [ProviderUnavailable, type(None)]
    proxy.does()
    while not module(proxy.module).idle:
        time.sleep(0.05)


def test_a_token_that_hangs_is_passed_over(
    proxy: Proxy, soft_token: Token, ock_token: Token, state: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_token_room(tmp_path, soft_token.uri(module=proxy.module))
    with Room(made.home) as room:
        room.ways.add(NewWay(token=ock_token.uri(unique("root"))), reason="a second token")
        first, second = (way.id for way in room.ways.list())
    root = open_room(made.home)._root
    monkeypatch.setattr(patience, "CALL", 0.4)
    proxy.does("C_Decrypt sleep 1")
    start = time.monotonic()
    for _ in range(20):
        root.backup_key().close()
    # only the first of them waited for it
    assert time.monotonic() - start < 2
    assert (root.degraded, root.way) == ((first,), second)
    proxy.does()
    while not module(proxy.module).idle:
        time.sleep(0.05)
    monkeypatch.setattr("strongroom.providers.pkcs11.root.time.monotonic", lambda: start + 60)
    root.backup_key().close()
    assert (root.degraded, root.way) == ((), first)
    root.close()


def test_a_token_that_hangs_is_seen_before_its_deadline_and_nobody_else_waits(
    proxy: Proxy, soft_token: Token, ock_token: Token, state: Path, tmp_path: Path
) -> None:
    made = make_token_room(tmp_path, soft_token.uri(module=proxy.module))
    with Room(made.home) as room:
        room.ways.add(NewWay(token=ock_token.uri(unique("root"))), reason="a second token")
        first, second = (way.id for way in room.ways.list())
        kept = room.encrypt(b"x")
    service = open_room(made.home)
    root = service._root
    proxy.does("C_Decrypt sleep 3")
    waiting = threading.Thread(target=lambda: root.backup_key().close())
    start = time.monotonic()
    waiting.start()
    while root.degraded != (first,):
        assert time.monotonic() - start < 1
        time.sleep(0.02)
    # and others are served meanwhile, those too who need a KEK
    root.backup_key().close()
    assert root.way == second
    assert service.unwrap_dek(REQUEST, crypto.Header.parse(kept).edks, {"strongroom-class": "default"})
    assert time.monotonic() - start < 2
    assert waiting.is_alive()
    proxy.does()
    waiting.join()
    assert root.degraded == ()
    service.close()


def test_a_command_without_its_token_ends_with_30_and_writes_nothing(
    soft_token: Token, softhsm: SoftHsm, state: Path, tmp_path: Path
) -> None:
    made = make_token_room(tmp_path, soft_token.uri())
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_text("text")
    command = [sys.executable, "-c", "from strongroom.cli import main; main()", "encrypt", str(source), str(target)]
    environment = os.environ | {"STRONGROOM_HOME": str(made.home)}
    away = softhsm.directory / "away"
    softhsm.tokens.rename(away)
    softhsm.tokens.mkdir()
    try:
        start = time.monotonic()
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode, target.exists()) == (30, False), done.stderr
        assert time.monotonic() - start < 30
    finally:
        softhsm.tokens.rmdir()
        away.rename(softhsm.tokens)
    assert subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0
