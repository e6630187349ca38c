"""Jobs that a signal interrupts, and jobs for which the system has too little: each ends, and says why."""

import subprocess
import sys
from pathlib import Path

import pytest

MATERIALS = """
import os, resource, signal, sys, threading, time
import strongroom.crypto as crypto

def materials(suite=0x0478):
    key = crypto.DataKey.generate()
    signing = crypto.SigningKey.for_suite(suite)
    context = {} if signing is None else {"aws-crypto-public-key": signing.public_key}
    edk = crypto.AesWrappingKey.generate().wrap(key, "test", "key", context)
    return crypto.EncryptionMaterials(suite, key, [edk], context, frame_length=65536, signing_key=signing)
"""

HANDLER_USES_ITS_WRITER = """
said = []
def handler(*_):
    for use in (writer.tell, lambda: writer.write(b"x"), writer.finish, writer.abort):
        try:
            said.append(use())
        except Exception as error:
            said.append(type(error).__name__)
signal.signal(signal.SIGALRM, handler)
writer = crypto.MessageWriter(materials(), sys.argv[1])
data = bytes(256 << 20)
signal.setitimer(signal.ITIMER_REAL, 0.01)
while not said:
    writer.write(data)
assert said == ["Misuse"] * 4, said
writer.write(b"the end")
writer.finish()
"""

HEADER_THAT_NEVER_COMES = """
def handler(*_):
    raise KeyboardInterrupt
signal.signal(signal.SIGALRM, handler)
reader, writer = os.pipe()
signal.setitimer(signal.ITIMER_REAL, 0.2)
try:
    crypto.IncomingMessage.open(reader)
except KeyboardInterrupt:
    pass
else:
    raise SystemExit("not interrupted")
"""

FEWER_THREADS_THAN_WANTED = """
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))
source, target = os.pipe(), os.pipe()
os.write(source[1], b"a few bytes")
os.close(source[1])
done = crypto.encrypt_stream(materials(), source[0], target[1], crypto.Control(workers=200))
assert done.plaintext_bytes == 11
"""

DISK_THAT_IS_FULL = """
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
source = sys.argv[1] + ".source"
with open(source, "wb") as file:
    file.truncate(8 << 20)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
for suite in (0x0478, 0x0578):
    try:
        crypto.encrypt_file(materials(suite), source, sys.argv[1])
    except OSError as error:
        assert error.filename == sys.argv[1], (suite, error)
    else:
        raise SystemExit("written")
"""

MANY_SMALL_MESSAGES = """
ticks = []
def tick():
    while True:
        ticks.append(time.monotonic())
        time.sleep(0.001)
threading.Thread(target=tick, daemon=True).start()
time.sleep(0.05)
start = time.monotonic()
crypto.encrypt_many(materials(), [b""] * 100_000)
within = [tick for tick in ticks if tick > start]
gaps = [b - a for a, b in zip(within, within[1:])]
assert time.monotonic() - start < 0.1 or len(within) > 20, (len(within), max(gaps, default=None))
"""

HANDLER_WANTS_THE_KEY_THAT_IS_FETCHED = """
from strongroom.client import CachingKeyring, decrypt_message, encrypt_message
from strongroom.keyring import RawAesKeyring

class Interrupted(RawAesKeyring):
    def generate(self, length, context):
        if not made:
            signal.raise_signal(signal.SIGALRM)
        return super().generate(length, context)

made = []
def handler(*_):
    made.append(None)
    made.append(encrypt_message(b"from the handler", keyring))
signal.signal(signal.SIGALRM, handler)
keyring = CachingKeyring(Interrupted("test", "key", bytes(32)))
made.append(encrypt_message(b"interrupted", keyring))
assert [decrypt_message(message, keyring) for message in made[1:]] == [b"from the handler", b"interrupted"]
"""

HANDLER_USES_ITS_ROOM = """
import strongroom
from strongroom.errors import Misuse

def interrupted_at(module, name):
    whole = getattr(module, name)
    def call(*arguments):
        outcome = whole(*arguments)
        if name in armed:
            armed.clear()
            signal.raise_signal(signal.SIGALRM)
        return outcome
    setattr(module, name, call)

home, key_file = sys.argv[1], sys.argv[1] + ".key"
os.environ["STRONGROOM_STATE"] = home + ".state"
strongroom.init(home, make_key_file=key_file)
armed, said = [], []
def handler(*_):
    for use in (lambda: room.encrypt(b"h", context={"a": "handler"}), lambda: room.encrypt(b"h", context={"a": "1"}),
                lambda: room.keys.list(), room.close):
        try:
            use()
            said.append("done")
        except Misuse as error:
            assert "signal" in str(error)
            said.append("Misuse")
signal.signal(signal.SIGALRM, handler)
import fcntl
import strongroom.keyservice.moves as moves
interrupted_at(os, "fdatasync")
interrupted_at(fcntl, "flock")
interrupted_at(moves, "rotate")
with strongroom.open(home, key_file=key_file) as room:
    key = room.keys.list()[0].id
    calls = {"encrypt": lambda: room.encrypt(b"1", context={"a": "1"}), "rotate": lambda: room.keys.rotate(key)}
    for what, point in (("encrypt", "fdatasync"), ("encrypt", "flock"), ("rotate", "flock"), ("rotate", "rotate")):
        armed.append(point)
        calls[what]()
        room._materials.close()
        assert said == ["Misuse"] * 4, (what, point, said)
        said.clear()
    message = room.encrypt(b"1", context={"a": "1"})
    assert room.decrypt(message) == b"1"
"""


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(HANDLER_WANTS_THE_KEY_THAT_IS_FETCHED, id="a handler wants the key that is being fetched"),
        pytest.param(HANDLER_USES_ITS_ROOM, id="a handler uses the room that it interrupts"),
        pytest.param(HANDLER_USES_ITS_WRITER, id="a handler uses the writer that it interrupts"),
        pytest.param(HEADER_THAT_NEVER_COMES, id="a header that never comes"),
        pytest.param(FEWER_THREADS_THAN_WANTED, id="fewer threads than wanted"),
        pytest.param(DISK_THAT_IS_FULL, id="a disk that is full"),
        pytest.param(MANY_SMALL_MESSAGES, id="many small messages leave other threads their turn"),
    ],
)
def test_it_ends_and_says_why(tmp_path: Path, program: str) -> None:
    command = [sys.executable, "-c", MATERIALS + program, str(tmp_path / "target")]
    ended = subprocess.run(command, timeout=20, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
