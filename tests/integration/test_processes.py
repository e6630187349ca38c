"""Rooms used by several processes, and processes that die."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.errors import TargetExists
from strongroom.home import Unlock, init_room, open_room

ROTATE = """
import sys
from strongroom.errors import KeyChanged
from strongroom.home import Unlock, open_room
from strongroom.model import Request
service = open_room(sys.argv[1], Unlock(key_file=sys.argv[2]))
request = Request("p", "test", "race")
key = service.describe(request).keys[0].id
def rotated():
    # whoever loses a race is told so, and asks again
    while True:
        try:
            return service.rotate(request, key).primary
        except KeyChanged:
            pass
sys.stdin.readline()
for _ in range(int(sys.argv[3])):
    print(rotated(), flush=True)
service.close()
"""

INIT = """
import sys
from strongroom.home import init_room
init_room(sys.argv[1], make_key_file=sys.argv[2])
"""


def test_processes_rotating_at_once_lose_no_version(room: MadeRoom) -> None:
    service = room.open()
    edks = [service.generate_dek(REQUEST, "default", CONTEXT).edk]
    each, processes = 10, 3
    running = [start(ROTATE, room.home, room.key_file, each) for _ in range(processes)]
    for process in running:
        process.stdin.write(b"go\n")
        process.stdin.flush()
    outputs = [process.communicate(timeout=120)[0] for process in running]
    assert [process.returncode for process in running] == [0] * processes
    made = sorted(int(line) for output in outputs for line in output.split())
    assert made == list(range(2, 2 + each * processes))
    (key,) = service.describe(REQUEST).keys
    assert [v.version for v in key.versions] == [1, *made]
    assert key.primary == made[-1]
    for edk in edks:
        service.unwrap_dek(REQUEST, [edk], CONTEXT)
    service.close()
    rotated = [e["version"] for e in map(json.loads, room.audit().splitlines()) if e["event"] == "key-rotated"]
    assert sorted(rotated) == made


def test_a_room_serves_many_processes_at_once(room: MadeRoom) -> None:
    program = ROTATE.replace("print(rotated(), flush=True)", GENERATE)
    running = [start(program, room.home, room.key_file, 20) for _ in range(4)]
    outputs = [process.communicate(b"go\n", timeout=120)[0] for process in running]
    leases = {line for output in outputs for line in output.split()}
    assert len(leases) == 80
    opened = {e["lease"].encode() for e in map(json.loads, room.audit().splitlines()) if e["event"] == "lease-opened"}
    assert opened == leases


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills at a chosen system call")
@pytest.mark.parametrize("call", ["fsync", "rename", "fdatasync", "mkdir", "flock"])
def test_a_killed_init_leaves_a_whole_room_or_none(tmp_path: Path, call: str) -> None:
    killed = whole = 0
    for at in range(1, 40):
        home, key = tmp_path / f"{at}" / "room", tmp_path / f"{at}.key"
        home.parent.mkdir()
        command = [
            "strace",
            "-f",
            "-o",
            os.devnull,
            "-e",
            f"trace={call}",
            "-e",
            f"inject={call}:signal=KILL:when={at}",
        ]
        process = subprocess.run([*command, sys.executable, "-c", INIT, str(home), str(key)], check=False)
        if home.exists():
            open_room(home, Unlock(key_file=key)).close()
            whole += 1
        if process.returncode == 0:
            break
        killed += 1
        if not home.exists():
            again(home, key)
        assert [p.name for p in home.parent.iterdir()] == ["room"]
    assert killed > 0
    print(f"{call}: killed {killed} times, {whole} whole rooms")


def again(home: Path, key: Path) -> None:
    """A second init goes through, but for a key file that the first had written already, which it must not replace."""
    try:
        init_room(home, make_key_file=key)
    except TargetExists:
        key.unlink()
        init_room(home, make_key_file=key)


def test_a_process_killed_in_a_rotation_loses_nothing(room: MadeRoom) -> None:
    service = room.open()
    edk = service.generate_dek(REQUEST, "default", CONTEXT).edk
    service.close()
    for delay in range(8):
        process = start(ROTATE, room.home, room.key_file, 1000)
        process.stdin.write(b"go\n")
        process.stdin.flush()
        for _ in range(delay + 1):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        service = room.open()
        (key,) = service.describe(REQUEST).keys
        assert [v.version for v in key.versions] == list(range(1, key.primary + 1))
        service.unwrap_dek(REQUEST, [edk], CONTEXT)
        service.close()


def start(program: str, *arguments: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


GENERATE = "print(service.generate_dek(request, 'default', {'strongroom-class': 'default'}).lease.id, flush=True)"
