"""A room and its messages, read by a stranger's program that was written from the specification."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import strongroom
from interop import offline
from rooms import MadeRoom, room, state
from strongroom.home import Unlock, init_room

__all__ = ["room", "state"]


@pytest.mark.parametrize("length", [0, 1, 65535, 65536, 65537, 200_000])
def test_a_message_is_read_without_strongroom(room: MadeRoom, tmp_path: Path, length: int) -> None:
    plaintext = bytes(i % 251 for i in range(length))
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        key = opened.keys.list()[0].id
        first = opened.encrypt(plaintext, context={"tenant": "äcme"})
        opened.keys.rotate(key)
        second = opened.encrypt(plaintext, context={"tenant": "other"})
    for message in (first, second):
        (tmp_path / "message").write_bytes(message)
        command = [
            sys.executable,
            "-I",
            offline.__file__,
            str(room.home),
            str(room.key_file),
            str(tmp_path / "message"),
        ]
        assert subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout == plaintext


def test_it_opens_by_passphrase_and_recovery_file_as_well(state: Path, tmp_path: Path) -> None:
    made = init_room(tmp_path / "room", Unlock(passphrase="correct horse"), recovery_file=tmp_path / "kit")
    by_passphrase = offline.open_room(made.home, "passphrase", b"correct horse")
    assert offline.open_room(made.home, "recovery-kit", (tmp_path / "kit").read_bytes()) == by_passphrase
    assert len(by_passphrase) == 1


def test_it_notices_what_was_changed(room: MadeRoom) -> None:
    room.sql("UPDATE classes SET lease_seconds = 1")
    with pytest.raises(ValueError, match="changed"):
        offline.open_room(room.home, "key-file", room.key_file.read_bytes())


def test_it_computes_the_same_context_digest(room: MadeRoom) -> None:
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        opened.encrypt(b"x", context={"b": "2", "ä": "1", "a": "3"})
    (entry,) = (e for e in map(json.loads, room.audit().splitlines()) if e["event"] == "lease-opened")
    expected = offline.context_digest({"b": "2", "ä": "1", "a": "3", "strongroom-class": "default"})
    assert entry["context_digest"] == expected


def test_it_is_short_and_needs_only_cryptography() -> None:
    source = Path(offline.__file__).read_text()
    assert source.count("\n") <= 220
    imported = {line.split()[1].split(".")[0] for line in source.splitlines() if line.startswith(("import ", "from "))}
    assert imported - sys.stdlib_module_names == {"cryptography"}
