"""Memory stays flat whatever the size, and imports stay cheap."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MIB = 1 << 20

JOB = """
import json, os, sys
from pathlib import Path
from strongroom import crypto
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials

what, source, target = sys.argv[1:]
keyring = RawAesKeyring("tests", "key", bytes(32))
materials = encryption_materials(keyring)


def opened(header):
    return decryption_materials(
        header, keyring, context=None, commitment_policy="require-encrypt-require-decrypt"
    )


if what == "encrypt":
    crypto.encrypt_file(materials, source, target)
elif what == "decrypt":
    message = crypto.MessageFile.open(source)
    message.decrypt(opened(message.header), target)
elif what == "encrypt-stream":
    crypto.encrypt_stream(materials, os.open(source, os.O_RDONLY), os.open(target, os.O_WRONLY | os.O_CREAT))
elif what == "decrypt-stream":
    incoming = crypto.IncomingMessage.open(os.open(source, os.O_RDONLY))
    incoming.decrypt(opened(incoming.header), os.open(target, os.O_WRONLY | os.O_CREAT))
# not ru_maxrss: that remembers the parent's size at the fork
print(int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024)
"""


def peak(what: str, source: Path, target: Path) -> int:
    done = subprocess.run(
        [sys.executable, "-c", JOB, what, str(source), str(target)], check=True, capture_output=True, text=True
    )
    return int(done.stdout)


def test_a_4_gib_file_each_way(tmp_path: Path) -> None:
    source, message, target = tmp_path / "source", tmp_path / "message", tmp_path / "target"
    with source.open("wb") as file:
        file.truncate(4 << 30)
        file.seek(3 << 30)
        file.write(b"not only zeros")
    idle = peak("idle", source, target)
    used = {}
    for way in ("", "-stream"):
        used[f"encrypt{way}"] = peak(f"encrypt{way}", source, message) - idle
        used[f"decrypt{way}"] = peak(f"decrypt{way}", message, target) - idle
        assert target.stat().st_size == 4 << 30
        with target.open("rb") as file:
            file.seek(3 << 30)
            assert file.read(14) == b"not only zeros"
        message.unlink()
        target.unlink()
    print({way: f"{count / MIB:.0f} MiB" for way, count in used.items()})
    assert max(used.values()) <= 96 * MIB


def modules_after(statement: str) -> set[str]:
    script = f"import sys, json; {statement}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return set(json.loads(done.stdout))


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("import strongroom", {"strongroom._rust", "sqlalchemy", "click", "rich", "asyncio"}),
        ("import strongroom.client, strongroom.keyring", {"sqlalchemy", "alembic", "click", "rich"}),
        ("import strongroom.cli", {"strongroom._rust", "sqlalchemy", "alembic", "rich"}),
    ],
)
def test_imports_load_only_what_they_need(statement: str, absent: set[str]) -> None:
    assert not modules_after(statement) & absent
    # the control: what is absent here can be seen where it is loaded
    assert "strongroom._rust" in modules_after("import strongroom; strongroom.Room")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="needs Linux's /proc")
def test_a_lying_header_allocates_nothing_beyond_the_caps() -> None:
    script = """
from pathlib import Path
from strongroom.client import decrypt_message, encrypt_message
from strongroom.errors import StrongroomError
from strongroom.keyring import RawAesKeyring
keyring = RawAesKeyring("tests", "key", bytes(32))
message = encrypt_message(b"x", keyring)
peak = lambda: int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
before = peak()
for at in range(len(message)):
    for value in (b"\\xff" * 2, b"\\xff" * 4, b"\\x00\\xff\\xff\\xff", b"\\x7f\\xff\\xff\\xff"):
        lying = message[:at] + value + message[at + len(value):]
        try:
            decrypt_message(lying, keyring)
        except StrongroomError:
            pass
print(peak() - before)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert int(done.stdout) <= 4 * MIB
