"""What a token does wrong, and what comes of it: through a module that does as the test says, or to SoftHSM's own files."""

import multiprocessing
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from strongroom.crypto import HsmSession
from strongroom.errors import (
    BadPassphrase,
    KeyNotFound,
    Misuse,
    ProviderUnavailable,
    RoomTampered,
    RoomUnsafe,
    StrongroomError,
    TokenFault,
)
from strongroom.providers.pkcs11 import TokenUri, connected, destroy_key, patience, scheme
from strongroom.providers.pkcs11.faults import TABLE, Verdict, verdict
from strongroom.providers.pkcs11.module import module
from strongroom.providers.pkcs11.objects import Handles
from tokens import PIN, SO_PIN, Proxy, SoftHsm, Token, TokenRoom, in_child, make_token_room, pin_file, run, unique

ONCE_MENDED = [0x30, 0x32, 0xE0, 0xE1, 0x90, 0x91, 0xB0, 0xB3, 0x60, 0x82, 0x101, 0x190, 0x5, 0x6, 0x7, 0x80000001]


@pytest.fixture
def made(proxy: Proxy, soft_token: Token, state: Path, tmp_path: Path) -> TokenRoom:
    return make_token_room(tmp_path, soft_token.uri(module=proxy.module))


@pytest.fixture
def root(made: TokenRoom) -> Iterator[object]:
    """A root at work. `backup_key` asks the token."""
    service = made.open()
    yield service._root
    service.close()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "CALL", 0.4)
    monkeypatch.setattr(patience, "TRYING", 0.5)


@pytest.mark.parametrize("code", ONCE_MENDED, ids=hex)
@pytest.mark.parametrize("call", ["C_Decrypt", "C_DecryptInit"])
def test_what_happens_once_is_mended(root, proxy: Proxy, call: str, code: int) -> None:
    proxy.does(f"{call} {code:#x} 1")
    root.backup_key().close()
    assert root.degraded == ()


def test_a_key_whose_making_was_interrupted_is_made_again(
    proxy: Proxy, soft_token: Token, state: Path, tmp_path: Path
) -> None:
    """The module ends before the new key could be tried, and before it could be taken away."""
    before = len(objects_of(soft_token))
    proxy.does("C_EncryptInit 0x190 1", "C_DestroyObject 0x190 1")
    room = make_token_room(tmp_path, soft_token.uri(unique("root"), module=proxy.module))
    assert proxy.calls("C_DestroyObject") == 2
    room.open().close()
    assert len(objects_of(soft_token)) == before + 1


@pytest.mark.parametrize("code", [0x30, 0x32, 0xE0, 0x101, 0xB3, 0x190], ids=hex)
def test_what_stays_wrong_is_unavailable(root, proxy: Proxy, code: int) -> None:
    proxy.does(f"C_DecryptInit {code:#x}")
    with pytest.raises(ProviderUnavailable, match=hex(code)):
        root.backup_key()
    proxy.does()
    root.backup_key().close()


@pytest.mark.parametrize("code", [0x35, 0x40, 0x41], ids=hex)
def test_what_does_not_authenticate_was_changed(root, proxy: Proxy, code: int) -> None:
    proxy.does(f"C_Decrypt {code:#x}")
    with pytest.raises(RoomTampered, match="not wrapped by the key"):
        root.backup_key()


@pytest.mark.parametrize("code", [0x5, 0x6, 0x7, 0x80000001], ids=hex)
def test_a_general_error_is_judged_by_a_canary(root, proxy: Proxy, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With all unwraps failing the canary dies as well: then it is the token that is not well. Nor is an instant any proof."""
    proxy.does(f"C_Decrypt {code:#x} 2")
    root.backup_key().close()
    with monkeypatch.context() as alive:
        alive.setattr(scheme, "round_trip", lambda *_: True)
        proxy.does(f"C_Decrypt {code:#x}")
        with pytest.raises(RoomTampered):
            root.backup_key()
    proxy.does(f"C_Decrypt {code:#x}")
    with pytest.raises(ProviderUnavailable):
        root.backup_key()


@pytest.mark.parametrize("code", [0x68, 0x70, 0x71, 0x63, 0x1B], ids=hex)
def test_a_key_that_may_not_is_a_mistake_of_its_maker(root, proxy: Proxy, code: int) -> None:
    proxy.does(f"C_DecryptInit {code:#x}")
    with pytest.raises(Misuse, match="refuses the key 'root'"):
        root.backup_key()


def test_too_many_sessions_are_waited_for(made: TokenRoom, proxy: Proxy, impatient: None) -> None:
    proxy.does("C_OpenSession 0xb1 2")
    made.open().close()
    proxy.does("C_OpenSession 0xb1")
    with pytest.raises(ProviderUnavailable, match="0xb1"):
        made.open()


@pytest.mark.parametrize("call", ["C_Decrypt", "C_OpenSession", "C_Login", "C_GetSlotList", "C_FindObjectsInit"])
def test_a_call_that_hangs_is_left_alone(made: TokenRoom, proxy: Proxy, impatient: None, call: str) -> None:
    proxy.does(f"{call} sleep 1")
    start = time.monotonic()
    with pytest.raises(ProviderUnavailable, match="did not return in time"):
        made.open()
    assert time.monotonic() - start < 0.9
    proxy.does()
    loaded = module(proxy.module)
    while not loaded.idle:
        time.sleep(0.05)
    made.open().close()


def test_a_hang_in_python_does_not_outlive_the_interpreter(made: TokenRoom, proxy: Proxy) -> None:
    proxy.does("C_GetTokenInfo sleep 60")
    script = (
        "import sys, strongroom\nfrom strongroom.providers.pkcs11 import patience\npatience.CALL = 0.5\n"
        "from strongroom.home import open_room\n"
        "try: open_room(sys.argv[1])\nexcept strongroom.errors.ProviderUnavailable as error: print(error)\n"
    )
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script, str(made.home)], capture_output=True, text=True, timeout=30, check=False
    )
    assert "did not return in time" in done.stdout, done.stderr
    assert time.monotonic() - start < 15


def test_a_wrong_pin_is_tried_once(made: TokenRoom, proxy: Proxy, soft_token: Token) -> None:
    right = soft_token.pin_file.read_text()
    soft_token.pin_file.write_text("9999\n")
    before = proxy.calls("C_Login")
    for _ in range(3):
        with pytest.raises(BadPassphrase, match=r"wrong|not tried again"):
            made.open()
    assert in_child(lambda: outcome(made.open)) == "BadPassphrase"
    assert proxy.calls("C_Login") == before + 1
    soft_token.pin_file.write_text(right)
    os.utime(soft_token.pin_file)
    made.open().close()


def test_a_token_is_never_locked(ock_token: Token, state: Path, tmp_path: Path) -> None:
    """opencryptoki locks at the third wrong PIN in a row, whichever process gave it."""
    made = make_token_room(tmp_path, ock_token.uri(unique("root")))
    wrong = pin_file(tmp_path / "wrong", "9999")
    named = f"pkcs11:token={ock_token.label}?module-path={ock_token.module}&pin-source=file:{wrong}"
    command = [sys.executable, "-c", "from strongroom.cli import main; main()", "keys", "list", "--token", named]
    environment = os.environ | {"STRONGROOM_HOME": str(made.home)}
    said = [subprocess.run(command, env=environment, capture_output=True, text=True, check=False) for _ in range(4)]
    assert [done.returncode for done in said] == [12] * 4
    assert ["would lock" in done.stderr for done in said] == [False, False, True, True]
    tool = ("--module", ock_token.module, "--token-label", ock_token.label)
    run("pkcs11-tool", *tool, "--login", "--pin", PIN, "--list-objects")
    made.open().close()


@pytest.mark.parametrize(("code", "words"), [(0xA4, "locked"), (0xA3, "expired"), (0x102, "not set"), (0xA2, "length")])
def test_what_is_wrong_with_a_pin_is_said(made: TokenRoom, proxy: Proxy, code: int, words: str) -> None:
    proxy.does(f"C_Login {code:#x}")
    before = proxy.calls("C_Login")
    with pytest.raises(BadPassphrase, match=words):
        made.open()
    assert proxy.calls("C_Login") == before + 1


def test_a_key_that_was_deleted_is_not_made_anew(made: TokenRoom, soft_token: Token) -> None:
    service = made.open()
    for path in objects_of(soft_token):
        path.unlink()
    for _ in range(2):
        with pytest.raises(KeyNotFound):
            service._root.backup_key()
    service.close()
    with pytest.raises(KeyNotFound):
        made.open()
    assert objects_of(soft_token) == []


def test_a_token_that_vanishes_is_unavailable_until_it_is_back(made: TokenRoom, softhsm: SoftHsm) -> None:
    service = made.open()
    away = softhsm.directory / "away"
    softhsm.tokens.rename(away)
    softhsm.tokens.mkdir()
    try:
        start = time.monotonic()
        with pytest.raises(ProviderUnavailable, match=r"0xe0|no token"):
            service._root.backup_key()
        with pytest.raises(ProviderUnavailable):
            made.open()
        assert time.monotonic() - start < 10
    finally:
        softhsm.tokens.rmdir()
        away.rename(softhsm.tokens)
    service._root.backup_key().close()
    service.close()


def test_a_token_that_was_made_anew_is_another(made: TokenRoom, soft_token: Token) -> None:
    run(
        "softhsm2-util",
        "--init-token",
        "--token",
        soft_token.label,
        "--label",
        soft_token.label,
        "--so-pin",
        SO_PIN,
        "--pin",
        PIN,
    )
    for _ in range(2):
        with pytest.raises(KeyNotFound):
            made.open()
    assert objects_of(soft_token) == []


def test_a_pin_that_was_changed_meanwhile_hurts_nobody_who_is_in(
    made: TokenRoom, soft_token: Token, proxy: Proxy
) -> None:
    service = made.open()
    pkcs11_tool = ("--module", soft_token.module, "--token-label", soft_token.label)
    run("pkcs11-tool", *pkcs11_tool, "--login", "--pin", PIN, "--change-pin", "--new-pin", "5678")
    service._root.backup_key().close()
    proxy.does("C_DecryptInit 0x190 1")
    with pytest.raises(BadPassphrase):
        service._root.backup_key()
    service.close()


def test_two_keys_of_one_name_are_told_apart_by_id(made: TokenRoom, soft_token: Token, tmp_path: Path) -> None:
    twin(soft_token, "root")
    made.open().close()
    with pytest.raises(Misuse, match="say which by id="):
        make_token_room(tmp_path / "other", made.uri, existing=True)


def test_a_key_that_may_leave_its_token_is_refused(soft_token: Token, state: Path, tmp_path: Path) -> None:
    twin(soft_token, "loose", "--extractable")
    with pytest.raises(Misuse, match="taken out of its token"):
        make_token_room(tmp_path, soft_token.uri("loose"), existing=True)


@pytest.mark.parametrize(("way", "length"), [("zeros", 60), ("appended", 64)])
def test_nonces_that_a_vendor_makes_are_kept(
    proxy: Proxy, soft_token: Token, state: Path, tmp_path: Path, way: str, length: int
) -> None:
    import base64
    import json

    proxy.does(f"gcm {way}")
    made = make_token_room(tmp_path, soft_token.uri(module=proxy.module))
    sealed = base64.b64decode(json.loads((made.home / "root.json").read_text())["entries"][0]["sealed"])
    assert len(sealed) == length
    assert sealed[:12] != bytes(12)
    made.open().close()


def test_a_token_without_gcm_takes_the_other_scheme(
    proxy: Proxy, soft_token: Token, state: Path, tmp_path: Path
) -> None:
    proxy.does("gcm none")
    made = make_token_room(tmp_path, soft_token.uri(module=proxy.module))
    assert "aes-cbc-hmac-sha256" in (made.home / "root.json").read_text()
    made.open().close()


def test_a_token_that_wraps_by_no_scheme_keeps_no_key(
    proxy: Proxy, soft_token: Token, state: Path, tmp_path: Path
) -> None:
    proxy.does("C_EncryptInit 0x70")
    with pytest.raises(Misuse, match="no scheme"):
        make_token_room(tmp_path, soft_token.uri(module=proxy.module))
    assert objects_of(soft_token) == []
    assert not (tmp_path / "room").exists()


def test_a_forked_child_logs_in_for_itself(made: TokenRoom, root) -> None:
    assert in_child(lambda: outcome(root.backup_key)) == "fine"
    assert in_child(lambda: outcome(lambda: made.open().close())) == "fine"
    root.backup_key().close()


def test_processes_that_log_in_at_once_all_get_in(soft_token: Token, state: Path, tmp_path: Path) -> None:
    made = make_token_room(tmp_path, soft_token.uri())
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(open_often, [str(made.home)] * 4) == [["fine"] * 5] * 4


def test_a_module_that_is_no_module_is_unavailable(soft_token: Token, state: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.so"
    text.write_text("not code")
    for path in (str(text), str(tmp_path / "missing.so"), "/usr/lib/x86_64-linux-gnu/libz.so.1"):
        with pytest.raises(ProviderUnavailable):
            make_token_room(tmp_path, soft_token.uri(module=path))
    text.chmod(0o666)
    with pytest.raises(RoomUnsafe, match="chmod o-w"):
        make_token_room(tmp_path, soft_token.uri(module=str(text)))


def test_every_class_of_python_pkcs11_means_something_else_than_silence() -> None:
    from pkcs11 import exceptions

    known = {name for _, name, _ in TABLE}
    for name, kind in vars(exceptions).items():
        if isinstance(kind, type) and issubclass(kind, exceptions.PKCS11Error) and name in known:
            assert verdict(kind()) is not None
    assert verdict(exceptions.PKCS11Error("Unmapped error code 0x68")) is Verdict.SETTING
    assert verdict(exceptions.PKCS11Error("Initialisation error (not initialized)")) is Verdict.MODULE
    assert verdict(TokenFault("", "returned", 0xA0)) is Verdict.PIN
    assert verdict(TokenFault("", "late")) is Verdict.LATE


def objects_of(token: Token) -> list[Path]:
    """The files of a token's keys."""
    directory = token.pin_file.parent / "tokens"
    return [
        path
        for path in directory.glob("*/*.object")
        if path.name != "token.object" and token.label.encode() in (path.parent / "token.object").read_bytes()
    ]


def twin(token: Token, name: str, *more: str) -> None:
    """Another AES key of that name, made by others."""
    tool = ("--module", token.module, "--token-label", token.label, "--login", "--pin", PIN)
    run("pkcs11-tool", *tool, "--keygen", "--key-type", "AES:32", "--label", name, "--id", "77", "--sensitive", *more)


def open_often(home: str) -> list[str]:
    from strongroom.home import open_room

    return [outcome(lambda: open_room(home).close()) for _ in range(5)]


def outcome(work) -> str:  # type: ignore[no-untyped-def] # anything that can be called
    try:
        work()
    except StrongroomError as error:
        return type(error).__name__
    return "fine"


def test_what_was_found_in_a_state_that_was_ended_is_not_used_in_the_next(soft_token: Token) -> None:
    """Handles are counted anew there, and may be those of other keys and of other sessions."""
    wanted = TokenUri.parse(soft_token.uri(unique("ended")))
    with connected(wanted) as connection:
        uri = connection.make(wanted)
        sessions, keys = connection._sessions, connection._keys
        before = keys.found(uri)
        with sessions.library() as session:
            sessions.module.renew(sessions.module.generation)
            with pytest.raises(TokenFault, match="ended"):
                session.ask("C_FindObjects", lambda it: list(it.get_objects({})))
        with pytest.raises(TokenFault, match="ended"), sessions.one(before):
            pass
        assert connection.use(uri, lambda _session, found: found.generation) == before.generation + 1
        destroy_key(uri)


def test_many_who_meet_a_state_that_was_ended_begin_it_anew_once(soft_token: Token) -> None:
    wanted = TokenUri.parse(soft_token.uri(unique("once")))
    with connected(wanted) as connection:
        uri = connection.make(wanted)
        scheme = connection.scheme(uri).name
        begun = connection._sessions.module

        def trip(session: HsmSession, keys: Handles) -> bool:
            return session.round_trip(scheme, keys.pair, deadline=patience.CALL)

        for _ in range(5):
            seen = begun.generation
            begun.renew(seen)
            with ThreadPoolExecutor(8) as pool:
                assert all(pool.map(lambda _: connection.use(uri, trip), range(16)))
            assert begun.generation == seen + 1
        destroy_key(uri)
