import os
import resource
import time
from pathlib import Path

import pytest
from strongroom.cli import machine
from strongroom.cli.machine import FAIL, OK, WARN
from strongroom.model import Way


def test_swap(tmp_path: Path) -> None:
    swaps = tmp_path / "swaps"
    heading = "Filename Type Size Used Priority\n"
    assert machine.swap(tmp_path / "none").verdict == OK
    swaps.write_text(heading + "/dev/zram0 partition 1 0 1\n")
    assert machine.swap(swaps).verdict == OK
    swaps.write_text(heading + "/dev/zram0 partition 1 0 1\n/swapfile file 1 0 1\n")
    assert machine.swap(swaps).verdict == WARN
    assert "/swapfile" in machine.swap(swaps).sentence


@pytest.mark.parametrize(
    ("cpuinfo", "verdict"),
    [
        ("flags\t\t: fpu aes pclmulqdq avx2 vaes vpclmulqdq avx512f\n", OK),
        ("flags\t\t: fpu aes pclmulqdq\n", OK),
        ("Features\t: fp asimd aes pmull\n", OK),
        ("flags\t\t: fpu sse2\n", WARN),
        ("", WARN),
    ],
)
def test_processor(cpuinfo: str, verdict: str, tmp_path: Path) -> None:
    (tmp_path / "cpuinfo").write_text(cpuinfo)
    assert machine.processor(tmp_path / "cpuinfo").verdict == verdict


def test_huge_pages(tmp_path: Path) -> None:
    setting = tmp_path / "enabled"
    for text, verdict in (("always [madvise] never", OK), ("always madvise [never]", WARN), ("", WARN)):
        setting.write_text(text)
        assert machine.huge_pages(setting).verdict == verdict


@pytest.mark.parametrize(("pay", "mode"), [(True, "madvise"), (False, "reported")])
def test_huge_pages_are_not_called_usable_where_the_library_declines_them(
    pay: bool, mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "enabled").write_text("always [madvise] never")
    monkeypatch.setattr("strongroom.crypto.huge_pages_pay", lambda: pay)
    assert machine.huge_page_mode(tmp_path / "enabled") == mode


def test_locked_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    assert machine.locked_memory({"refused_bytes": 4096}).verdict == WARN
    for soft, verdict in ((4096, WARN), (8 << 20, OK), (resource.RLIM_INFINITY, OK)):
        monkeypatch.setattr(resource, "getrlimit", lambda _which, soft=soft: (soft, soft))
        assert machine.locked_memory({}).verdict == verdict


def test_core_dumps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pattern").write_text("|/usr/bin/crash\n")
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (-1, -1))
    assert machine.core_dumps(tmp_path / "pattern").verdict == WARN
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (0, 0))
    assert machine.core_dumps(tmp_path / "pattern").verdict == OK


def test_unlock_source(tmp_path: Path) -> None:
    passphrase = tmp_path / "p"
    passphrase.write_text("x")
    passphrase.chmod(0o600)
    assert machine.unlock_source({}, {}, tmp_path).verdict == WARN
    assert machine.unlock_source({}, {"STRONGROOM_PASSPHRASE_FILE": str(passphrase)}, tmp_path).verdict == OK
    assert machine.unlock_source({"--key-file": str(tmp_path / "none")}, {}, tmp_path).verdict == FAIL
    passphrase.chmod(0o644)
    check = machine.unlock_source({"--passphrase-file": str(passphrase)}, {}, tmp_path)
    assert (check.verdict, check.fix) == (WARN, f"chmod 600 {passphrase}")


def test_permissions(tmp_path: Path) -> None:
    room = tmp_path / "room"
    assert machine.permissions(room).verdict == WARN
    room.mkdir(0o700)
    (room / "keystore").touch(0o600)
    assert machine.permissions(room).verdict == OK
    (room / "keystore").chmod(0o640)
    check = machine.permissions(room)
    assert (check.verdict, check.fix) == (FAIL, f"chmod -R go-rwx {room}")


def test_clock(tmp_path: Path) -> None:
    file = tmp_path / "audit"
    file.touch()
    assert machine.clock(tmp_path).verdict == OK
    os.utime(file, (0, time.time() + 86400))
    assert machine.clock(tmp_path).verdict == FAIL


def test_where_the_room_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRONGROOM_HOME", "/by/environment")
    assert machine.room_of(None) == Path("/by/environment")
    assert machine.room_of("/by/option") == Path("/by/option")


def test_a_token_that_opens_the_room_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, pin = tmp_path / "module.so", tmp_path / "pin"
    first, second = (f"pkcs11:token={name};object=o?module-path={module}&pin-source=file:{pin}" for name in "ab")
    monkeypatch.setattr("strongroom.home.tokens.list_ways", lambda _home: [Way(id="1", kind="pkcs11", token=first)])
    check = machine.unlock_source({}, {}, tmp_path)
    assert (check.verdict, "module.so" in check.sentence) == (FAIL, True)
    module.touch()
    pin.write_text("1234")
    pin.chmod(0o600)
    assert machine.unlock_source({}, {}, tmp_path).verdict == OK
    pin.chmod(0o604)
    check = machine.unlock_source({}, {}, tmp_path)
    assert (check.verdict, "chmod 600" in check.sentence) == (FAIL, True)
    two = [
        Way(id="1", kind="pkcs11", token=first),
        Way(id="2", kind="pkcs11", token=second.replace(str(pin), str(module))),
    ]
    module.chmod(0o600)
    monkeypatch.setattr("strongroom.home.tokens.list_ways", lambda _home: two)
    assert machine.unlock_source({}, {}, tmp_path).verdict == WARN
