import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from rooms import REQUEST
from strongroom.audit import Denied, Event, JsonLinesSink, Who
from strongroom.errors import AuditUnavailable, LimitExceeded


def event(why: str = "no") -> Event:
    return Denied(who=Who.of(REQUEST, "tester"), action="a", data_class=None, key_id=None, version=None, why=why)


def entries(path: Path) -> list[dict[str, object]]:
    content = path.read_bytes()
    assert content.endswith(b"\n") or not content
    return [json.loads(line) for line in content.splitlines()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_an_entry_is_one_line_of_sorted_json(path: Path) -> None:
    sink = JsonLinesSink(path, "tester")
    sink.record(event("because 'ä'\n\udc80"))
    sink.close()
    (entry,) = entries(path)
    assert entry["schema"] == 1
    assert list(entry) == sorted(entry)
    assert entry["why"] == "because 'ä'\n\udc80"
    assert entry["process"] == os.getpid()
    assert path.stat().st_mode & 0o777 == 0o600


def test_entries_have_a_largest_size(path: Path) -> None:
    sink = JsonLinesSink(path, "tester")
    with pytest.raises(LimitExceeded):
        sink.record(event("x" * 70_000))
    sink.close()
    assert entries(path) == []


@pytest.mark.parametrize("cut", [1, 2, 50])
@pytest.mark.parametrize("before", [0, 3])
def test_a_torn_tail_is_cut_and_recorded(path: Path, cut: int, before: int) -> None:
    whole = b"".join(event(str(i)).line() for i in range(before))
    torn = event("torn").line()[:-cut]
    path.write_bytes(whole + torn)
    path.chmod(0o600)
    JsonLinesSink(path, "tester").close()
    assert path.read_bytes().startswith(whole)
    assert [e["event"] for e in entries(path)] == ["denied"] * before + ["recovered"]
    assert entries(path)[-1]["bytes_cut"] == len(torn)


def test_a_tail_torn_by_another_process_is_mended_before_the_next_entry(path: Path) -> None:
    sink = JsonLinesSink(path, "tester")
    sink.record(event("first"))
    with path.open("ab") as other:
        other.write(b'{"torn')
    sink.record(event("second"))
    sink.close()
    assert [e["event"] for e in entries(path)] == ["denied", "recovered", "denied"]


def test_record_is_durable_on_return_and_note_is_not(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = JsonLinesSink(path, "tester")
    done: list[int] = []
    real = os.fdatasync
    monkeypatch.setattr(os, "fdatasync", lambda fd: (real(fd), done.append(path.stat().st_size))[0])
    sink.note(event())
    assert done == []
    sink.record(event())
    assert done == [path.stat().st_size]
    sink.note(event())
    sink.close()
    assert done[-1] == path.stat().st_size


def test_threads_share_a_sync(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = JsonLinesSink(path, "tester")
    syncs = []
    real = os.fdatasync

    def slow(fd: int) -> None:
        syncs.append(fd)
        threading.Event().wait(0.02)
        real(fd)

    monkeypatch.setattr(os, "fdatasync", slow)
    threads = [threading.Thread(target=lambda: [sink.record(event()) for _ in range(5)]) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sink.close()
    assert len(entries(path)) == 80
    assert len(syncs) <= 20


def test_a_failed_sync_poisons_the_sink(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = JsonLinesSink(path, "tester")
    real = os.fdatasync

    def broken(fd: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", broken)
    with pytest.raises(AuditUnavailable, match="Input/output"):
        sink.record(event())
    monkeypatch.setattr(os, "fdatasync", real)
    for attempt in (sink.record, sink.note):
        with pytest.raises(AuditUnavailable, match="open the room again"):
            attempt(event())
    sink.close()


def test_a_short_write_is_taken_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = JsonLinesSink(path, "tester")
    sink.record(event())
    real = os.write
    monkeypatch.setattr(os, "write", lambda fd, data: real(fd, data[:10]))
    with pytest.raises(AuditUnavailable, match="no space"):
        sink.record(event())
    monkeypatch.undo()
    sink.record(event())
    sink.close()
    assert [e["event"] for e in entries(path)] == ["denied", "denied"]


def test_no_sink_where_none_can_be(tmp_path: Path) -> None:
    with pytest.raises(AuditUnavailable):
        JsonLinesSink(tmp_path / "absent" / "events.jsonl", "tester")
    (tmp_path / "directory").mkdir()
    with pytest.raises(AuditUnavailable):
        JsonLinesSink(tmp_path / "directory", "tester")


def test_a_removed_file_is_noticed(path: Path) -> None:
    sink = JsonLinesSink(path, "tester")
    path.unlink()
    with pytest.raises(AuditUnavailable, match="removed"):
        sink.record(event())
    sink.close()


def test_a_forked_child_may_not_append(path: Path) -> None:
    sink = JsonLinesSink(path, "tester")
    child = os.fork()
    if child == 0:
        try:
            sink.record(event())
        except AuditUnavailable:
            os._exit(7)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
    sink.record(event())
    sink.close()
    assert len(entries(path)) == 1


def test_processes_append_whole_lines(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from strongroom.audit import *; from strongroom.model import Request\n"
        "sink = JsonLinesSink(Path(sys.argv[1]), 'tester')\n"
        "for i in range(50):\n"
        "    sink.record(Denied(who=Who.of(Request('p', 'q', 'r' * 3000), 'tester'), action='a', data_class=None,"
        " key_id=None, version=None, why=str(i)))\n"
        "sink.close()\n"
    )
    running = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(4)]
    assert [process.wait() for process in running] == [0] * 4
    by_process: dict[object, list[object]] = {}
    for entry in entries(path):
        by_process.setdefault(entry["process"], []).append(entry["why"])
    assert list(by_process.values()) == [[str(i) for i in range(50)]] * 4
