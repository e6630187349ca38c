"""A keystore on PostgreSQL: the same promises, bounded waits, no password anywhere, and nobody in between."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom, Server, make_room
from strongroom.errors import KeystoreUnavailable, KeyUnavailable, Misuse, RoomTampered, TargetExists
from strongroom.home import Unlock, init_room
from strongroom.keystore import engine
from strongroom.keystore import postgres as module
from strongroom.keystore.postgres import check_url, parameters


@pytest.fixture
def remote(state: Path, tmp_path: Path, postgres: Server) -> MadeRoom:
    return make_room(tmp_path, postgres.new_url())


def test_a_room_lives_on_either_database(state: Path, tmp_path: Path, keystore_url: str | None) -> None:
    room = make_room(tmp_path, keystore_url)
    service = room.open()
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    service.create_class(REQUEST, "pii")
    key = service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    service = room.open()
    service.unwrap_dek(REQUEST, [edk], CONTEXT)
    described = service.describe(REQUEST)
    assert [len(found.versions) for found in described.keys] == [2, 1]
    assert len(service._keystore.history(key.id)) == 4
    assert (room.home / "keystore.db").exists() == (keystore_url is None)
    assert json.loads((room.home / "room.json").read_text()).get("keystore") == keystore_url
    service.close()


def test_a_database_holds_one_keystore(remote: MadeRoom, tmp_path: Path) -> None:
    url = json.loads((remote.home / "room.json").read_text())["keystore"]
    with pytest.raises(TargetExists, match="holds tables of a keystore already"):
        init_room(tmp_path / "second", make_key_file=tmp_path / "key2", keystore=url)
    assert not (tmp_path / "second").exists()
    remote.open().close()


@pytest.mark.parametrize("step", ["keystore.migrate.MIGRATIONS", "home.making.record_making", "home.making.move_in"])
def test_a_failed_init_leaves_no_tables(
    state: Path, tmp_path: Path, postgres: Server, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    url = postgres.new_url()

    def fails(*arguments: object) -> None:
        raise KeystoreUnavailable("as planted")

    monkeypatch.setattr(f"strongroom.{step}", tmp_path / "missing" if step.endswith("MIGRATIONS") else fails)
    with pytest.raises(KeystoreUnavailable):
        init_room(tmp_path / "room", make_key_file=tmp_path / "key", keystore=url)
    assert postgres.sql("SELECT tablename FROM pg_tables WHERE schemaname = current_schema()", url=url) == []


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:secret@/db",
        "postgresql:///db?password=secret",
        "postgresql:///db?sslpassword=secret",
        "postgresql://db.example/db?sslmode=require",
        "postgresql://localhost,db.example/db?sslmode=prefer",
        "postgresql://localhost/db?hostaddr=192.0.2.1&sslmode=disable",
        "postgresql:///db?service=x&sslmode=disable",
        "sqlite:///x",
        "/some/where",
    ],
)
def test_what_a_url_must_not_say(url: str, tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        init_room(tmp_path / "room", make_key_file=tmp_path / "key", keystore=url)
    assert "secret" not in str(caught.value)
    assert not (tmp_path / "key").exists()


@pytest.mark.parametrize(
    ("url", "mode"),
    [
        ("postgresql://db.example/db", "verify-full"),
        ("postgresql://db.example:5433/db?sslmode=verify-full", "verify-full"),
        ("postgresql:///db?service=x", "verify-full"),
        ("postgresql:///db", "verify-full"),
        ("postgresql://localhost/db", None),
        ("postgresql://127.0.0.1:5433/db?sslmode=disable", "disable"),
        ("postgresql://[::1]:5433/db", None),
        ("postgresql://[2001:db8::1]/db", "verify-full"),
        ("postgresql:///db?host=/run/postgresql", None),
        ("postgresql://localhost/db?hostaddr=192.0.2.1", "verify-full"),
        ("postgresql://localhost,db.example/db", "verify-full"),
    ],
)
def test_who_answers_over_a_network_shows_a_certificate(url: str, mode: str | None) -> None:
    check_url(url)
    assert parameters(url, module.load()).get("sslmode") == mode


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(KeystoreUnavailable, match=r"strongroom\[postgres\]"):
        module.load()


def test_a_server_that_is_restarted_is_found_again(remote: MadeRoom, postgres: Server) -> None:
    service = remote.open()
    service.generate_dek(REQUEST, "default", CONTEXT)
    postgres.stop()
    with pytest.raises(KeystoreUnavailable):
        service.generate_dek(REQUEST, "default", CONTEXT)
    postgres.start()
    service.generate_dek(REQUEST, "default", CONTEXT)
    postgres.stop()
    postgres.start()
    # nobody noticed: the connection that is gone is replaced
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()


def test_a_server_that_is_stopped_is_not_waited_for_for_ever(
    remote: MadeRoom, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOLE_SECONDS", 1)
    monkeypatch.setattr(module, "CONNECT_SECONDS", 2)
    service = remote.open()
    key_id = service.describe(REQUEST).keys[0].id
    with postgres.paused():
        for call in (
            lambda: service.generate_dek(REQUEST, "default", CONTEXT),
            lambda: service.rotate(REQUEST, key_id),
        ):
            start = time.monotonic()
            with pytest.raises(KeystoreUnavailable, match="has not answered within 1 seconds"):
                call()
            assert time.monotonic() - start < 5
    assert service.rotate(REQUEST, key_id).primary == 2
    service.close()


def test_a_server_that_stops_within_a_transaction(
    remote: MadeRoom, postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "WHOLE_SECONDS", 1)
    service = remote.open()
    database, start = service._keystore._database, time.monotonic()
    with pytest.raises(KeystoreUnavailable), database.writing() as connection, postgres.paused():
        connection.exec_driver_sql("SELECT 1")
    assert time.monotonic() - start < 5
    assert service.describe(REQUEST).keys[0].primary == 1
    service.close()


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(remote: MadeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SETTINGS", "SET lock_timeout = '300ms'")
    service = remote.open()
    database = engine.Database(service._keystore._database._place)
    with database.writing():
        with pytest.raises(KeystoreUnavailable, match="lock timeout"):
            service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
        # readers do not wait for writers
        service.describe(REQUEST)
    database.close()
    service.close()


def test_a_forked_child_leaves_the_connections_of_its_parent_alone(remote: MadeRoom) -> None:
    service = remote.open()
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    child = os.fork()
    if child == 0:
        refused = 0
        for call in (lambda: service.generate_dek(REQUEST, "default", CONTEXT), service._keystore.snapshot):
            try:
                call()
            except KeyUnavailable:
                refused += 1
        service.close()
        os._exit(40 + refused)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 42
    service.unwrap_dek(REQUEST, [edk], CONTEXT)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()


def test_a_row_edited_in_the_database_is_named(remote: MadeRoom, postgres: Server) -> None:
    url = json.loads((remote.home / "room.json").read_text())["keystore"]
    postgres.sql("UPDATE key_versions SET state = 'DEACTIVATED'", url=url)
    with pytest.raises(RoomTampered, match=r"key_versions [0-9a-f]+/1: .*changed"):
        remote.open()


def test_the_command_refuses_a_password(tmp_path: Path) -> None:
    program = "from strongroom.cli import main; main()"
    command = [sys.executable, "-c", program, "init", "--home", str(tmp_path / "room")]
    given = ["--make-key-file", str(tmp_path / "key"), "--keystore", "postgresql://me:pass@/db"]
    done = subprocess.run([*command, *given], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "pgpass" in done.stderr
    assert "me:pass" not in done.stderr


def test_an_unlock_is_not_asked_for_before_the_url_is_known_to_be_sound(tmp_path: Path) -> None:
    with pytest.raises(Misuse):
        init_room(tmp_path / "room", Unlock(passphrase_file=tmp_path / "missing"), keystore="nonsense")
