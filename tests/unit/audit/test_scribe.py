"""A disk that does not answer: everybody who waits hears so in time, nothing is released, and the process can end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from logs import MemoryNotary, event, filled, names
from rooms import MadeRoom
from strongroom.audit import AuditLog, locks, scribe
from strongroom.errors import AuditUnavailable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "audit"
    place.mkdir(mode=0o700)
    return place


@pytest.fixture
def patience(monkeypatch: pytest.MonkeyPatch) -> float:
    monkeypatch.setattr(scribe, "PATIENCE", 1.0)
    return 1.0


@pytest.fixture
def answers() -> Iterator[threading.Event]:
    """Set at the end, so that nothing hangs for longer than its test."""
    disk = threading.Event()
    yield disk
    disk.set()


def hanging(disk: threading.Event, real: Callable[..., object]) -> Callable[..., object]:
    def call(*arguments: object) -> object:
        disk.wait()
        return real(*arguments)

    return call


@pytest.mark.parametrize("call", ["fdatasync", "write"])
def test_everybody_who_waits_hears_it_in_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch, patience: float, answers: threading.Event, call: str
) -> None:
    log = AuditLog(folder, "tester")
    log.record(event("first"))
    monkeypatch.setattr(os, call, hanging(answers, getattr(os, call)))
    heard: list[str] = []

    def record() -> None:
        try:
            log.record(event())
        except AuditUnavailable as error:
            heard.append(str(error))

    threads = [threading.Thread(target=record) for _ in range(8)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started < 3 * patience
    assert len(heard) == 8
    assert all("no answer from its disk: open the room again" in words for words in heard)
    for attempt in (log.record, log.note):
        with pytest.raises(AuditUnavailable, match="no answer"):
            attempt(event())
    started = time.monotonic()
    log.close()
    assert time.monotonic() - started < patience


def test_a_disk_that_comes_back_gives_nothing_to_those_who_were_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch, patience: float, answers: threading.Event
) -> None:
    log = AuditLog(folder, "tester")
    monkeypatch.setattr(os, "fdatasync", hanging(answers, os.fdatasync))
    with pytest.raises(AuditUnavailable):
        log.record(event("hung"))
    answers.set()
    with pytest.raises(AuditUnavailable, match="open the room again"):
        log.record(event("refused"))
    log.close()
    again = AuditLog(folder, "tester")
    again.record(event("again"))
    again.close()
    assert names(folder) == ["hung", "again"]


def test_a_seal_that_hangs_is_not_waited_for(
    folder: Path, monkeypatch: pytest.MonkeyPatch, patience: float, answers: threading.Event
) -> None:
    notary = MemoryNotary()
    filled(folder, notary, 3)
    log = AuditLog(folder, "tester", notary)
    log.record(event("last"))
    monkeypatch.setattr(os, "fsync", hanging(answers, os.fsync))
    with pytest.raises(AuditUnavailable, match="no answer"):
        log.close()
    with pytest.raises(AuditUnavailable):
        log.record(event())
    assert notary.tree.size == 3
    answers.set()
    monkeypatch.undo()
    # what hung may still be at it: it either ends, or holds the lock for as long as that takes
    filled(folder, notary, 1)
    assert names(folder) == ["0", "1", "2", "last", "0"]


def test_a_keystore_may_take_longer_than_a_disk(folder: Path, monkeypatch: pytest.MonkeyPatch, patience: float) -> None:
    class Slow(MemoryNotary):
        def remember(self, before: object, after: object) -> None:
            time.sleep(2 * patience)
            super().remember(before, after)  # type: ignore[arg-type] # as it came

    notary = Slow()
    filled(folder, notary, 2)
    assert notary.tree.size == 2


def test_an_interrupt_leaves_the_turn_to_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(folder, "tester")
    real = os.fdatasync

    def slow(descriptor: int) -> None:
        time.sleep(0.01)
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", slow)
    others = [threading.Thread(target=lambda: [log.record(event("other")) for _ in range(40)]) for _ in range(3)]
    for thread in others:
        thread.start()
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    interrupted = 0
    try:
        for number in range(40):
            signal.setitimer(signal.ITIMER_REAL, 0.0005 * (number + 1))
            try:
                log.record(event("ours"))
            except KeyboardInterrupt:
                interrupted += 1
            signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    for thread in others:
        thread.join()
    log.record(event("last"))
    log.close()
    assert interrupted > 5
    found = names(folder)
    assert found.count("other") == 120
    # what was interrupted may be there: it was handed in, and nothing was released for it
    assert 40 - interrupted <= found.count("ours") <= 40
    assert found[-1] == "last"


def test_an_entry_can_be_made_while_the_interpreter_ends(folder: Path) -> None:
    program = (
        "import atexit, sys; from pathlib import Path; from strongroom.audit import *; from strongroom.model import Request\n"
        "log = AuditLog(Path(sys.argv[1]), 'tester')\n"
        "def last():\n"
        "    log.record(Denied(who=Who.of(Request('p', 'q', 'r'), 'tester'), action='a', data_class=None, key_id=None,"
        " version=None, why='last'))\n"
        "    log.close()\n"
        "atexit.register(last)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(folder)], timeout=20, check=False).returncode == 0
    assert names(folder) == ["last"]


def test_no_thread_is_left_when_all_is_well(folder: Path) -> None:
    before = set(os.listdir("/proc/self/task"))
    notary = MemoryNotary()
    log = AuditLog(folder, "tester", notary)
    log.record(event())
    log.close()
    time.sleep(0.05)
    assert set(os.listdir("/proc/self/task")) <= before
    assert {thread.name for thread in threading.enumerate()} == {"MainThread"}


def test_a_process_that_is_stopped_with_the_lock_is_not_waited_for_for_ever(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = AuditLog(folder, "tester", MemoryNotary())
    monkeypatch.setattr(locks, "PATIENCE", 0.2)
    for name in ("lock", "sealing"):
        program = (
            "import fcntl, os, signal, sys; lock = open(sys.argv[1]); fcntl.flock(lock, fcntl.LOCK_EX);"
            " print(flush=True); os.kill(os.getpid(), signal.SIGSTOP)"
        )
        holder = subprocess.Popen([sys.executable, "-c", program, str(folder / name)], stdout=subprocess.PIPE)
        assert holder.stdout is not None
        holder.stdout.readline()
        try:
            with pytest.raises(AuditUnavailable, match="is it stopped"):
                log.record(event()) if name == "lock" else log.head()
        finally:
            holder.kill()
            holder.wait()
            holder.stdout.close()
    # nothing was poisoned: whoever comes later can go on
    log.record(event("after"))
    log.close()
    assert names(folder) == ["after"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_a_kernel_that_does_not_answer_releases_no_key(room: MadeRoom, tmp_path: Path) -> None:
    """A real fdatasync that hangs, in a room: the call fails in time, no key is released, and the process ends."""
    program = (
        "import sys, time, strongroom; from strongroom.audit import scribe; scribe.PATIENCE = 1.0\n"
        "room = strongroom.open(sys.argv[1], key_file=sys.argv[2])\n"
        "started = time.monotonic()\n"
        "try:\n"
        "    room.encrypt(b'x')\n"
        "except strongroom.errors.AuditUnavailable as error:\n"
        "    print(error, time.monotonic() - started < 3)\n"
        "room.close()\n"
    )
    command = ["strace", "-f", "-qq", "-o", str(tmp_path / "trace"), "-e", "trace=fdatasync"]
    # of the log only: SQLite would wait for ever
    command += ["-P", str(room.home / "audit/pending")]
    command += ["-e", "inject=fdatasync:delay_enter=60000000"]
    command += [sys.executable, "-c", program, str(room.home), str(room.key_file)]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
    assert running.stdout is not None
    try:
        assert running.stdout.readline().endswith("open the room again True\n")
    finally:
        # a tracer does not let go of what it delays
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        running.stdout.close()
    entries = [json.loads(line)["event"] for line in room.audit().splitlines()]
    assert "lease-closed" not in entries


def test_a_process_ends_whatever_its_disk_does(room: MadeRoom) -> None:
    program = (
        "import os, sys, strongroom; from strongroom.audit import scribe; scribe.PATIENCE = 0.5\n"
        "room = strongroom.open(sys.argv[1], key_file=sys.argv[2])\n"
        "never, _ = os.pipe()\n"
        "os.fdatasync = lambda descriptor: os.read(never, 1)\n"
        "try:\n"
        "    room.encrypt(b'x')\n"
        "except strongroom.errors.AuditUnavailable:\n"
        "    print('refused')\n"
    )
    command = [sys.executable, "-c", program, str(room.home), str(room.key_file)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


def test_a_fork_finds_no_thread_and_warns_of_none(folder: Path) -> None:
    """In a process of its own: that of the tests may have threads, and lets forks be."""
    program = (
        "import os, sys; from pathlib import Path; from logs import MemoryNotary, event; from strongroom.audit import AuditLog\n"
        "log = AuditLog(Path(sys.argv[1]), 'tester', MemoryNotary())\n"
        "for _ in range(3):\n"
        "    log.record(event('parent'))\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        os._exit(len(os.listdir('/proc/self/task')))\n"
        "    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1\n"
        "    assert len(os.listdir('/proc/self/task')) == 1\n"
        "log.record(event('parent'))\n"
        "log.close()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    subprocess.run([sys.executable, "-W", "error", "-c", program, str(folder)], env=environment, timeout=20, check=True)
    assert names(folder) == ["parent"] * 4
