"""Entries sent on: everything arrives, in order, whatever the receiver does; and nothing that a crash could take back."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from logs import MemoryNotary, event, filled
from receivers import Received, certificate_in, datagrams, tcp
from strongroom.audit import AuditLog, entries, forwarding, targets
from strongroom.audit.forwarding import cursor, forward
from strongroom.audit.targets import line, syslog, target_of
from strongroom.crypto import merkle_check
from strongroom.errors import AuditUnavailable, Misuse

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LOG = "test/log"


@pytest.fixture
def notary() -> MemoryNotary:
    return MemoryNotary()


@pytest.fixture
def folder(tmp_path: Path, notary: MemoryNotary) -> Path:
    place = tmp_path / "audit"
    place.mkdir(mode=0o700)
    filled(place, notary, 30)
    return place


@pytest.fixture(params=["tcp", "tls", "udp", "unix"])
def receiver(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Received]:
    match request.param:
        case "tcp":
            opened = tcp()
        case "tls":
            certificate = certificate_in(tmp_path)
            monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
            opened = tcp(certificate)
        case "udp":
            opened = datagrams()
        case _:
            opened = datagrams(tmp_path / "socket")
    with opened as receives:
        yield receives


def come(received: Received, count: int) -> None:
    """Wait until so many messages have come."""
    end = time.monotonic() + 10
    while len(received.messages) < count and time.monotonic() < end:
        time.sleep(0.01)


def test_every_entry_arrives_once_and_as_it_is(folder: Path, notary: MemoryNotary, receiver: Received) -> None:
    done = forward(folder, LOG, receiver.url)
    assert (done.sent, done.next) == (30, 30)
    assert forward(folder, LOG, receiver.url).sent == 0
    filled(folder, notary, 5)
    assert forward(folder, LOG, receiver.url).sent == 5
    come(receiver, 35)
    assert receiver.indexes() == list(range(35))
    first = receiver.lines()[0]
    assert first["log"] == LOG
    assert first["entry"] == json.loads(next(entries(folder)))
    head = receiver.messages[0].split(b" ")
    assert head[0] == b"<108>1"
    assert head[2:6] == [os.uname().nodename.encode(), b"strongroom", str(os.getpid()).encode(), b"denied"]


def test_what_no_checkpoint_covers_is_not_sent(folder: Path, notary: MemoryNotary, tmp_path: Path) -> None:
    log = AuditLog(folder, "tester", notary)
    log.record(event("not sealed yet"))
    target = f"file://{tmp_path / 'lines'}"
    assert forward(folder, LOG, target).next == 30
    log.close()
    assert forward(folder, LOG, target).next == 31


def test_a_receiver_that_is_away_loses_nothing(folder: Path) -> None:
    with tcp() as receives:
        url = receives.url
    with pytest.raises(AuditUnavailable, match="cannot be forwarded"):
        forward(folder, LOG, url)
    assert cursor(folder, url) == 0


def test_a_receiver_that_dies_in_the_middle_gets_the_batch_again(
    folder: Path, notary: MemoryNotary, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forwarding, "BATCH", 10)
    with tcp() as receives:
        assert forward(folder, LOG, receives.url, 10).next == 10
        receives.limit = 100
        with pytest.raises(AuditUnavailable):
            forward(folder, LOG, receives.url)
        receives.limit = None
        assert forward(folder, LOG, receives.url).sent == 20
        come(receives, 30)
        assert receives.indexes() == list(range(30))


def test_a_certificate_that_nobody_vouches_for_gets_nothing(folder: Path, tmp_path: Path) -> None:
    with tcp(certificate_in(tmp_path)) as receives:
        with pytest.raises(AuditUnavailable, match="certificate"):
            forward(folder, LOG, receives.url)
        assert receives.messages == []


def test_a_receiver_that_never_reads_is_not_waited_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "PATIENCE", 0.2)
    with tcp() as receives:
        receives.turn.acquire()
        with pytest.raises(AuditUnavailable, match="timed out"):
            forward(folder, LOG, receives.url)
        receives.turn.release()
    assert cursor(folder, receives.url) == 0


def test_a_crash_sends_again_and_leaves_nothing_out(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, lines = f"file://{tmp_path / 'lines'}", tmp_path / "lines"
    monkeypatch.setattr(forwarding, "BATCH", 10)
    assert forward(folder, LOG, target, 10).next == 10
    kept = (folder / "forwarded").read_bytes()
    forward(folder, LOG, target, 10)
    (folder / "forwarded").write_bytes(kept)
    with lines.open("ab") as file:
        file.write(b'{"entry":{"torn')
    forward(folder, LOG, target)
    told = lines.read_bytes().splitlines()
    assert told.pop(20) == b'{"entry":{"torn'
    assert [json.loads(each)["index"] for each in told] == [*range(20), *range(10, 30)]


def test_another_target_begins_anew_and_a_changed_cursor_is_refused(folder: Path, tmp_path: Path) -> None:
    forward(folder, LOG, f"file://{tmp_path / 'a'}")
    assert forward(folder, LOG, f"file://{tmp_path / 'b'}").sent == 30
    (folder / "forwarded").write_bytes(b"{}")
    with pytest.raises(AuditUnavailable, match="remove it"):
        forward(folder, LOG, f"file://{tmp_path / 'b'}")


def test_the_hash_of_an_entry_can_be_made_from_its_line(folder: Path, tmp_path: Path) -> None:
    forward(folder, LOG, f"file://{tmp_path / 'lines'}", 1)
    said = (tmp_path / "lines").read_bytes().splitlines()[0]
    entry = said.removeprefix(b'{"entry":').partition(b',"index":0,"log":')[0]
    _, (root,) = merkle_check(folder, 0, 30, [1])
    assert hashlib.sha256(b"\0" + entry).digest() == root


def test_hostile_entries_stay_one_message() -> None:
    entry = json.dumps(
        {
            "event": 'x y\n<0>1 ]"\\',
            "time": "now\n",
            "host": "a b\u00e9\n",
            "process": "9" * 999,
            "reason": "\n\u2028<13>1 - - -",
        }
    ).encode()
    said = syslog(7, entry, 'l"\n')
    assert b"\n" not in said
    head, _, content = said.partition(b" - {")
    assert head == b"<109>1 - a?b??? strongroom ".replace(b"b???", b"b??") + b"9" * 128 + b' x?y?<0>1?]"\\'
    assert json.loads(b"{" + content) == {"entry": json.loads(entry), "index": 7, "log": 'l"\n'}


def test_an_entry_too_large_for_a_datagram_names_itself(folder: Path, notary: MemoryNotary) -> None:
    log = AuditLog(folder, "tester", notary)
    log.record(event("x" * 64_900))
    log.close()
    with datagrams() as receives:
        assert forward(folder, LOG, receives.url).next == 31
        come(receives, 31)
        (entry,) = [each["entry"] for each in receives.lines() if each["index"] == 30]
    assert entry["too_large"] > 64_900
    assert entry["id"] == json.loads(list(entries(folder))[30])["id"]


@pytest.mark.parametrize(
    "text",
    ["", "syslog://x", "syslog+tcp://", "syslog+tcp://a:b", "syslog+tcp://u:p@x", "syslog+tls://x/y", "file://x/y", "file://", "file:///", "unix:a", "file:///a?b", "http://x"],
)  # fmt: skip
def test_places_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(Misuse, match="no place"):
        target_of(text)


def test_a_real_rsyslog_takes_it(folder: Path, tmp_path: Path) -> None:
    if shutil.which("rsyslogd") is None:
        pytest.skip("needs rsyslogd")
    with tcp() as free:
        port = int(free.url.rpartition(":")[2])
    config, out = tmp_path / "rsyslog.conf", tmp_path / "out"
    config.write_text(
        f'global(workDirectory="{tmp_path}")\nmodule(load="imtcp")\ninput(type="imtcp" port="{port}" address="127.0.0.1")\n'
        'template(name="raw" type="string" string="%hostname% %app-name% %procid% %msgid% %syslogfacility-text%'
        ' %timereported:::date-rfc3339% %msg%\\n")\n'
        f'action(type="omfile" file="{out}" template="raw")\n'
    )
    daemon = subprocess.Popen(["rsyslogd", "-n", "-f", config, "-i", tmp_path / "pid"], stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while True:
            try:
                forward(folder, LOG, f"syslog+tcp://127.0.0.1:{port}")
                break
            except AuditUnavailable:
                assert time.monotonic() < end, "rsyslogd does not listen"
                time.sleep(0.05)
        while time.monotonic() < end and (not out.exists() or out.read_bytes().count(b"\n") < 30):
            time.sleep(0.05)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(20)
    told = out.read_text().splitlines()
    source = list(entries(folder))
    assert len(told) == 30
    for number, text in enumerate(told):
        head, _, said = text.partition("{")
        assert head.split()[:5] == [os.uname().nodename, "strongroom", str(os.getpid()), "denied", "audit"]
        assert "{" + said == line(number, source[number], LOG).decode()
