import os
from pathlib import Path

import pytest
from strongroom.crypto import Secret
from strongroom.errors import Misuse, RoomLocked, RoomUnsafe
from strongroom.providers.pkcs11.pin import read_pin

PIN = Secret.from_caller(b"7391")


@pytest.fixture
def pin(tmp_path: Path) -> Path:
    path = tmp_path / "pin"
    path.write_bytes(b"7391\n")
    path.chmod(0o600)
    return path


def test_a_pin_comes_from_a_file_however_it_is_named(pin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOKEN_PIN_FILE", str(pin))
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(pin.parent))
    for source in (f"file:{pin}", f"file://{pin}", str(pin), "env:TOKEN_PIN_FILE", "credential:pin"):
        assert read_pin(source).matches(PIN), source


def test_a_pin_comes_from_a_descriptor(pin: Path) -> None:
    descriptor = os.open(pin, os.O_RDONLY)
    try:
        assert read_pin(f"fd:{descriptor}").matches(PIN)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o620, 0o601])
def test_a_pin_that_others_can_read_or_write_is_refused(pin: Path, mode: int) -> None:
    pin.chmod(mode)
    with pytest.raises(RoomUnsafe, match="chmod 600"):
        read_pin(f"file:{pin}")


@pytest.mark.parametrize("source", ["env:NOT_SET_HERE", "credential:pin", None])
def test_a_source_that_leads_nowhere_says_so(source: str | None) -> None:
    with pytest.raises(RoomLocked):
        read_pin(source)


@pytest.mark.parametrize("source", ["|cat /pin", "exec:cat", "file:pin", "env:", "credential:../pin", "fd:x", "7391"])
def test_no_other_source_is_taken(source: str) -> None:
    with pytest.raises(Misuse) as caught:
        read_pin(source)
    assert "7391" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        read_pin(f"file:{tmp_path}/gone")
