"""A log under use: durable before anything is told, shared by threads and processes, whole after a crash."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import rfc8785
from logs import MemoryNotary, event, filled, names, told
from strongroom.audit import AuditLog, entries
from strongroom.audit.checkpoint import verify
from strongroom.audit.log import SEAL_AT
from strongroom.audit.pending import HEAD
from strongroom.crypto import merkle_check
from strongroom.errors import AuditTampered, AuditUnavailable, LimitExceeded


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "audit"
    place.mkdir(mode=0o700)
    return place


@pytest.fixture
def notary() -> MemoryNotary:
    return MemoryNotary()


def test_an_entry_is_canonical_json(folder: Path) -> None:
    log = AuditLog(folder, "tester")
    log.record(event("because 'ä'\n\udc80"))
    log.close()
    ((line, entry),) = zip(entries(folder), told(folder), strict=True)
    assert line == rfc8785.dumps(json.loads(line))
    assert entry["schema"] == 2
    assert entry["why"] == "because 'ä'\n\\udc80"
    assert entry["process"] == os.getpid()
    assert (folder / "pending").stat().st_mode & 0o777 == 0o600


def test_entries_have_a_largest_size(folder: Path) -> None:
    log = AuditLog(folder, "tester")
    with pytest.raises(LimitExceeded):
        log.record(event("x" * 70_000))
    log.record(event("x" * 65_000))
    log.close()
    assert len(told(folder)) == 1


def test_what_is_closed_is_sealed(folder: Path, notary: MemoryNotary) -> None:
    filled(folder, notary, 300)
    tree = verify((folder / "checkpoint").read_bytes(), notary.verifier)
    assert tree == notary.tree
    assert (tree.size, merkle_check(folder, 0, 300, [])[0]) == (300, tree.root)
    assert (folder / "pending").stat().st_size == HEAD
    filled(folder, notary, 300)
    assert names(folder) == [str(number) for number in range(300)] * 2
    unfinished = {str(path.relative_to(folder)) for path in folder.rglob("*.p/*")}
    assert unfinished == {
        f"tile/{level}.p/{width}" for level, width in [("0/002", 88), ("entries/002", 88), ("1/000", 1), ("1/000", 2)]
    }


def test_many_entries_are_sealed_before_the_end(folder: Path, notary: MemoryNotary) -> None:
    log = AuditLog(folder, "tester", notary)
    for _ in range(SEAL_AT):
        log.note(event())
    assert notary.tree.size == 0
    log.record(event())
    assert notary.tree.size == SEAL_AT + 1
    log.send([event("sent").line()] * SEAL_AT)
    assert notary.tree.size == SEAL_AT + 1
    log.close()
    assert notary.tree.size == 2 * SEAL_AT + 1


def test_entries_wait_while_nobody_can_sign(folder: Path, notary: MemoryNotary) -> None:
    filled(folder, notary, 2)
    log = AuditLog(folder, "tester", notary)
    notary.answers = False
    for _ in range(SEAL_AT + 2):
        log.record(event())
    with pytest.raises(AuditUnavailable, match="signed"):
        log.head()
    log.close()
    assert notary.tree.size == 2
    notary.answers = True
    log = AuditLog(folder, "tester", notary)
    assert log.head().size == notary.tree.size == SEAL_AT + 4
    log.close()


# --- crashes -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 8, 50, 10_000])
@pytest.mark.parametrize("before", [0, 3])
def test_a_torn_tail_is_cut_and_recorded(folder: Path, notary: MemoryNotary, cut: int, before: int) -> None:
    log = AuditLog(folder, "tester")
    for number in range(before):
        log.record(event(str(number)))
    whole = (folder / "pending").stat().st_size
    log.record(event("torn"))
    log.close()
    path = folder / "pending"
    torn = path.read_bytes()[whole:]
    left = torn[: -min(cut, len(torn) - 1)]
    path.write_bytes(path.read_bytes()[:whole] + left)
    AuditLog(folder, "tester", notary).close()
    assert names(folder) == [*map(str, range(before)), "recovered"]
    assert told(folder)[-1]["bytes_cut"] == len(left)
    assert notary.tree.size == before + 1


def test_pages_that_never_reached_the_disk_are_a_torn_tail(folder: Path) -> None:
    log = AuditLog(folder, "tester")
    for number in range(4):
        log.record(event(str(number)))
    log.close()
    path, content = folder / "pending", bytearray((folder / "pending").read_bytes())
    length = (len(content) - HEAD) // 4
    content[HEAD + 2 * length : HEAD + 3 * length] = bytes(length)
    path.write_bytes(content)
    AuditLog(folder, "tester").close()
    assert names(folder) == ["0", "1", "recovered"]


def test_an_edit_before_the_end_is_no_torn_tail(folder: Path) -> None:
    log = AuditLog(folder, "tester")
    for number in range(4):
        log.record(event(str(number)))
    log.close()
    content = bytearray((folder / "pending").read_bytes())
    for at in (HEAD + 100, 3, 20, 30):
        changed = content.copy()
        changed[at] ^= 1
        (folder / "pending").write_bytes(changed)
        with pytest.raises(AuditTampered):
            AuditLog(folder, "tester")


def test_a_tail_torn_by_another_process_is_mended_before_the_next_entry(folder: Path) -> None:
    log = AuditLog(folder, "tester")
    log.record(event("first"))
    with (folder / "pending").open("ab") as other:
        other.write(b"\0\7{torn")
    log.record(event("second"))
    log.close()
    assert names(folder) == ["first", "recovered", "second"]


STEPS = ("write_tiles", "merkle_check", "write_private", "sweep")


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("done", [False, True])
def test_a_crash_while_sealing_changes_nothing(
    folder: Path, notary: MemoryNotary, monkeypatch: pytest.MonkeyPatch, step: str, done: bool
) -> None:
    from strongroom.audit import sealing

    filled(folder, notary, 5)
    log = AuditLog(folder, "tester", notary)
    log.record(event("last"))
    real = getattr(sealing, step)

    def crash(*arguments: object) -> None:
        if done:
            real(*arguments)
        raise MemoryError

    monkeypatch.setattr(sealing, step, crash)
    with pytest.raises(MemoryError):
        log.close()
    monkeypatch.undo()
    filled(folder, notary, 1)
    assert names(folder) == ["0", "1", "2", "3", "4", "last", "0"]
    assert notary.tree.size == 7
    assert merkle_check(folder, 0, 7, [])[0] == notary.tree.root


@pytest.mark.parametrize("width", [1, 300])
def test_what_is_put_back_or_taken_away_is_noticed(
    folder: Path, notary: MemoryNotary, tmp_path: Path, width: int
) -> None:
    filled(folder, notary, width)
    older = tmp_path / "older"
    shutil.copytree(folder, older)
    filled(folder, notary, 1)
    newer = tmp_path / "newer"
    shutil.copytree(folder, newer)
    put_back(older, folder)
    with pytest.raises(AuditTampered, match="an older log was put back"):
        AuditLog(folder, "tester", notary)
    for name, what in [
        ("checkpoint", "entries are missing"),
        ("pending", "missing"),
        (f"tile/entries/{(width) // 256:03}.p/{(width + 1) % 256}", None),
        (f"tile/0/{(width) // 256:03}.p/{(width + 1) % 256}", "missing"),
    ]:
        put_back(newer, folder)
        (folder / name).unlink()
        if what is None:
            # read when the log is verified, and when it grows
            with pytest.raises(AuditTampered):
                filled(folder, notary, 1)
            continue
        with pytest.raises(AuditTampered, match=what):
            AuditLog(folder, "tester", notary)
    put_back(newer, folder)
    AuditLog(folder, "tester", notary).close()


def put_back(copy: Path, folder: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(copy, folder)


def test_another_log_is_not_gone_on_with(folder: Path, notary: MemoryNotary, tmp_path: Path) -> None:
    filled(folder, notary, 3)
    other = tmp_path / "other"
    other.mkdir()
    forger = MemoryNotary()
    filled(other, forger, 3)
    with pytest.raises(AuditTampered, match="has signed"):
        AuditLog(other, "tester", notary)
    # the same key on other entries: only what the keystore remembers tells
    forger.tree, forger.key, forger.verifier = notary.tree, notary.key, notary.verifier
    rewritten = MemoryNotary()
    rewritten.key, rewritten.verifier = notary.key, notary.verifier
    third = tmp_path / "third"
    third.mkdir()
    filled(third, rewritten, 3)
    with pytest.raises(AuditTampered, match="not the log that the room has signed"):
        AuditLog(third, "tester", notary)


# --- the plain trail of older rooms ------------------------------------------------------------------------------------


def plain(folder: Path, count: int, tail: bytes = b"") -> list[bytes]:
    lines = [b'{"event":"denied","n":%d,"schema":1,"why":"%d"}' % (number, number) for number in range(count)]
    (folder / "events.jsonl").write_bytes(b"".join(line + b"\n" for line in lines) + tail)
    return lines


@pytest.mark.parametrize("tail", [b"", b'{"torn'])
def test_a_plain_trail_goes_over_byte_for_byte(folder: Path, notary: MemoryNotary, tail: bytes) -> None:
    lines = plain(folder, 300, tail)
    assert list(entries(folder)) == lines
    AuditLog(folder, "tester", notary).close()
    found = list(entries(folder))
    assert found[:300] == lines
    assert names(folder)[300:] == (["recovered"] if tail else []) + ["log-started"]
    assert told(folder)[-1]["carried"] == 300
    assert not (folder / "events.jsonl").exists()
    assert notary.tree.size == len(found)


def test_a_crash_between_the_two_files_carries_nothing_twice(folder: Path, notary: MemoryNotary) -> None:
    plain(folder, 3)
    trail = (folder / "events.jsonl").read_bytes()
    AuditLog(folder, "tester").close()
    (folder / "events.jsonl").write_bytes(trail)
    AuditLog(folder, "tester", notary).close()
    assert names(folder) == ["0", "1", "2", "log-started"]
    assert not (folder / "events.jsonl").exists()


# --- threads, processes, failures --------------------------------------------------------------------------------------


def test_record_is_durable_on_return_and_note_is_not(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "pending"
    log = AuditLog(folder, "tester")
    done: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (real(fd), done.append(path.stat().st_size))[0])
    log.note(event())
    assert done == []
    log.record(event())
    assert done == [path.stat().st_size]
    log.note(event())
    log.close()
    assert done[-1] == path.stat().st_size


def test_threads_share_a_sync(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(folder, "tester")
    syncs = []
    real = os.fdatasync

    def slow(fd: int) -> None:
        syncs.append(fd)
        threading.Event().wait(0.02)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    threads = [threading.Thread(target=lambda: [log.record(event()) for _ in range(5)]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    log.close()
    assert len(told(folder)) == 80
    assert len(syncs) <= 20


def test_a_failed_sync_poisons_the_log(folder: Path, notary: MemoryNotary, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(folder, "tester", notary)
    real = os.fdatasync

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(AuditUnavailable, match="Input/output"):
        log.record(event())
    monkeypatch.setattr(os, "fdatasync", real)
    for attempt in (log.record, log.note):
        with pytest.raises(AuditUnavailable, match="open the room again"):
            attempt(event())
    log.close()
    assert notary.tree.size == 0


def test_a_short_write_is_taken_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = AuditLog(folder, "tester")
    log.record(event())
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
    with pytest.raises(AuditUnavailable, match="no space"):
        log.record(event())
    monkeypatch.undo()
    log.record(event())
    log.close()
    assert [e["event"] for e in told(folder)] == ["denied", "denied"]


def test_no_log_where_none_can_be(tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailable):
        AuditLog(tmp_path / "absent", "tester")
    (tmp_path / "file").touch()
    with pytest.raises(AuditUnavailable):
        AuditLog(tmp_path / "file", "tester")


def test_a_removed_log_is_noticed(folder: Path) -> None:
    log = AuditLog(folder, "tester")
    (folder / "pending").unlink()
    with pytest.raises(AuditUnavailable, match="removed"):
        log.record(event())
    log.close()


def test_a_stopped_process_is_not_waited_for_for_ever(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from strongroom.audit import locks

    log, other = AuditLog(folder, "tester"), locks.Lock(folder / "lock")
    monkeypatch.setattr(locks, "PATIENCE", 0.05)
    with other.held(), pytest.raises(AuditUnavailable, match="another process"):
        log.record(event())
    log.record(event())
    log.close()
    other.close()


def test_a_forked_child_may_not_append(folder: Path) -> None:
    log = AuditLog(folder, "tester")
    child = os.fork()
    if child == 0:
        try:
            log.record(event())
        except AuditUnavailable:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    log.record(event())
    log.close()
    assert len(told(folder)) == 1


def test_two_that_have_the_log_open_see_what_the_other_seals(folder: Path, notary: MemoryNotary) -> None:
    one, other = AuditLog(folder, "tester", notary), AuditLog(folder, "tester", notary)
    for number in range(3):
        one.record(event(f"one {number}"))
        other.record(event(f"other {number}"))
        other.head()
    one.close()
    other.close()
    assert names(folder) == ["one 0", "other 0", "one 1", "other 1", "one 2", "other 2"]
    assert notary.tree.size == 6


def test_processes_append_whole_entries(folder: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from strongroom.audit import *; from strongroom.model import Request\n"
        "log = AuditLog(Path(sys.argv[1]), 'tester')\n"
        "for i in range(50):\n"
        "    log.record(Denied(who=Who.of(Request('p', 'q', 'r' * 3000), 'tester'), action='a', data_class=None,"
        " key_id=None, version=None, why=str(i)))\n"
        "log.close()\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(folder)]) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    by_process: dict[object, list[object]] = {}
    for entry in told(folder):
        by_process.setdefault(entry["process"], []).append(entry["why"])
    assert list(by_process.values()) == [[str(i) for i in range(50)]] * 4
