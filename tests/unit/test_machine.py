"""What the process does for its keys, and how the limit is measured."""

import subprocess
import sys
import threading
import time

import pytest
from builds import IS_FIPS
from strongroom.crypto import Kdf, RootKey, Secret, bench_limit, bench_messages, build_info, memory_status
from strongroom.errors import Misuse

CORE_DUMPS = """
import ctypes, resource
from strongroom.crypto import disable_core_dumps
PR_GET_DUMPABLE = 3
dumpable = lambda: ctypes.CDLL(None).prctl(PR_GET_DUMPABLE)
assert dumpable() == 1
disable_core_dumps()
assert (dumpable(), resource.getrlimit(resource.RLIMIT_CORE)) == (0, (0, 0))
"""


def test_core_dumps_can_be_refused() -> None:
    subprocess.run([sys.executable, "-c", CORE_DUMPS], check=True)


def test_the_build_names_its_cryptographic_module() -> None:
    facts = build_info()
    assert facts["crypto_library"] == ("AWS-LC FIPS" if IS_FIPS else "AWS-LC")
    assert len(facts["crypto_version"].split(".")) == 3
    assert (facts["fips_mode"], facts["self_test"]) == ("on" if IS_FIPS else "off", "passed")


PROCESSORS = """
import os, time
from strongroom.crypto import Control
every = os.sched_getaffinity(0)
assert Control().workers <= len(every)
os.sched_setaffinity(0, {min(every)})
end = time.monotonic() + 10
while Control().workers > 1 and time.monotonic() < end:
    time.sleep(0.05)
assert Control().workers == 1
"""


def test_fewer_processors_are_noticed_soon() -> None:
    subprocess.run([sys.executable, "-c", PROCESSORS], check=True)


def test_memory_status_counts_the_pages_of_keys() -> None:
    before = memory_status()
    # more than fit the pages that earlier tests left free
    held = [Secret.random() for _ in range(5000)]
    after = memory_status()
    assert after["pages"] > before["pages"]
    assert after["locked_bytes"] + after["refused_bytes"] > before["locked_bytes"] + before["refused_bytes"]
    assert {"dont_dump", "wipe_on_fork"} <= after.keys()
    assert len(held) == 5000


@pytest.mark.argon2id
def test_other_threads_run_during_argon2() -> None:
    turns, stop = [], threading.Event()

    def take_turns() -> None:
        while not stop.is_set():
            turns.append(time.sleep(0.001))

    thread = threading.Thread(target=take_turns)
    thread.start()
    try:
        before = len(turns)
        RootKey.generate().seal(Secret.from_caller(b"passphrase"), Kdf.argon2id(bytes(16)), b"")
        # if the GIL were kept, it could have had a turn or two before and after
        assert len(turns) - before >= 5
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("decrypt", [False, True])
def test_the_limit_is_measured_however_work_is_cut(decrypt: bool) -> None:
    for frame_length, total, workers in ((4096, 1 << 20, 2), (4096, 4097, 3), (1 << 16, 1, 8)):
        assert bench_limit(frame_length, total, workers, decrypt=decrypt) > 0
    for frame_length, total, workers in ((0, 1, 1), (1, 0, 1), (1, 1, 0)):
        with pytest.raises(Misuse):
            bench_limit(frame_length, total, workers, decrypt=decrypt)


@pytest.mark.parametrize("decrypt", [False, True])
def test_the_floor_of_messages_is_measured_however_they_are_shared_out(decrypt: bool) -> None:
    for count, size, workers in ((100, 1024, 2), (1, 0, 3), (7, 70_000, 1)):
        assert bench_messages(count, size, workers, decrypt=decrypt) > 0
    for count, workers in ((0, 1), (1, 0)):
        with pytest.raises(Misuse):
            bench_messages(count, 1024, workers, decrypt=decrypt)
