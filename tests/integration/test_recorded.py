"""What the audit log is told beyond leases: who tried in vain, what did not authenticate, who wrote, and which entries belong together."""

import json
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
import strongroom
from rooms import MadeRoom
from strongroom.errors import AuthenticationFailed, BadPassphrase, Misuse, PartialFailure
from strongroom.home import Unlock, log, open_room
from strongroom.home.upkeep import stats

MESSAGE_ID = 3
TRACE = "0af7651916cd43dd8448eb211c80319c"


@pytest.fixture
def opened(room: MadeRoom) -> Iterator[strongroom.Room]:
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        yield opened


def told(room: MadeRoom, *events: str) -> list[dict[str, object]]:
    entries = [json.loads(line) for line in room.audit().splitlines()]
    return [entry for entry in entries if entry["event"] in events] if events else entries


def test_a_writer_says_when_it_begins_and_ends_and_a_reader_says_nothing(room: MadeRoom) -> None:
    before = len(told(room))
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        opened.keys.list()
    assert len(told(room)) == before
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        opened.encrypt(b"x")
    started, lease, closed, stopped = told(room)[before:]
    assert [entry["event"] for entry in (started, lease, closed, stopped)] == [
        "writer-started",
        "lease-opened",
        "lease-closed",
        "writer-stopped",
    ]
    assert started["writer"] == stopped["writer"]
    assert stopped["entries"] == 2
    assert lease["request"] == closed["request"] != started["request"]
    assert "trace" not in lease


def test_a_message_that_does_not_authenticate(room: MadeRoom, opened: strongroom.Room, tmp_path: Path) -> None:
    message = bytearray(opened.encrypt(b"x" * 100))
    message[-1] ^= 1
    (tmp_path / "file.sr").write_bytes(message)
    attempts = (
        lambda: opened.decrypt(message, reason="why"),
        lambda: opened.decrypt_many([message, message], reason="why"),
        lambda: opened.decrypt_file(tmp_path / "file.sr", tmp_path / "out", reason="why"),
        lambda: opened.verify(tmp_path / "file.sr", reason="why"),
    )
    for attempt in attempts:
        with pytest.raises(AuthenticationFailed):
            attempt()
    failed = told(room, "failed")
    assert [(entry["error"], entry["action"], entry["reason"]) for entry in failed] == [
        ("authentication", "unwrap-dek", "why")
    ] * len(attempts)


def test_a_range_that_does_not_authenticate(room: MadeRoom, tmp_path: Path) -> None:
    with strongroom.open(room.home, key_file=room.key_file) as opened:
        opened.classes.create("small", frame_length=4096, reason="test")
        (tmp_path / "plain").write_bytes(bytes(40_000))
        opened.encrypt_file(tmp_path / "plain", tmp_path / "file.sr", data_class="small")
        message = bytearray((tmp_path / "file.sr").read_bytes())
        message[-5000] ^= 1
        (tmp_path / "file.sr").write_bytes(message)
        with opened.open(tmp_path / "file.sr", reason="why") as reader:
            assert reader.read(4096) == bytes(4096)
            assert told(room, "failed") == []
            for whence in (0, 36_000, 0):
                reader.seek(whence)
                with pytest.raises(AuthenticationFailed):
                    reader.read()
            with pytest.raises(AuthenticationFailed):
                reader.raw.pread(40_000, 0)
        (failed,) = told(room, "failed")
        assert (failed["error"], failed["action"], failed["reason"]) == ("authentication", "unwrap-dek", "why")
        # each object is an operation of its own, whichever way it reads
        for read in (lambda reader: reader.raw.pread(1, 36_000), lambda reader: reader.readinto(bytearray(40_000))):
            with opened.open(tmp_path / "file.sr") as reader, pytest.raises(AuthenticationFailed):
                read(reader)
        assert len(told(room, "failed")) == 3
        # and one whose header is not authentic does not even open
        message[MESSAGE_ID] ^= 1
        (tmp_path / "other.sr").write_bytes(message)
        with pytest.raises(AuthenticationFailed):
            opened.open(tmp_path / "other.sr", reason="header")
        assert [entry["reason"] for entry in told(room, "failed")] == ["why", "", "", "header"]
        last = opened.open(tmp_path / "file.sr")
    # a room that was closed takes no entries, and what is not authentic is not shown all the same
    with last, pytest.raises(AuthenticationFailed):
        last.read()
    assert len(told(room, "failed")) == 4


def test_what_failed_in_the_keyservice_is_not_told_twice(room: MadeRoom, opened: strongroom.Room) -> None:
    message = bytearray(opened.encrypt(b"x" * 100, context={"tenant": "acme"}))
    # the data key does not unwrap under another context
    at = message.index(b"acme")
    message[at] ^= 1
    with pytest.raises(AuthenticationFailed):
        opened.decrypt(message)
    assert told(room, "failed") == []
    opened.close()
    assert "authentication" in [entry["outcome"] for entry in told(room, "lease-closed")]


def test_of_many_that_fail_in_a_tree_one_is_told(room: MadeRoom, opened: strongroom.Room, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / "tree").mkdir(exist_ok=True)
        (tmp_path / "tree" / name).write_bytes(b"x" * 100)
    opened.encrypt_tree(tmp_path / "tree", tmp_path / "tree.enc")
    for name in ("a", "b"):
        path = tmp_path / "tree.enc" / f"{name}.sr"
        content = bytearray(path.read_bytes())
        content[-1] ^= 1
        path.write_bytes(content)
    with pytest.raises(PartialFailure):
        opened.decrypt_tree(tmp_path / "tree.enc", tmp_path / "out")
    assert len(told(room, "failed")) == 1


def test_a_wrong_key_is_recorded_though_nothing_can_be_signed(
    room: MadeRoom, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wrong").write_bytes(bytes(32))
    (tmp_path / "wrong").chmod(0o600)
    wrong = Unlock(key_file=tmp_path / "wrong")
    with pytest.raises(BadPassphrase):
        open_room(room.home, wrong)
    with pytest.raises(BadPassphrase):
        stats(room.home, wrong)
    (first, second) = told(room, "unlock-failed")
    assert first["error"] == second["error"] == "room.bad-passphrase"
    assert first["purpose"] == "unlock"
    # not without end, and again once somebody has opened it
    monkeypatch.setattr(log, "MOST_REFUSED", 3)
    for _ in range(4):
        with pytest.raises(BadPassphrase):
            open_room(room.home, wrong)
    assert len(told(room, "unlock-failed")) == 3
    room.open().close()
    with pytest.raises(BadPassphrase):
        open_room(room.home, wrong)
    assert len(told(room, "unlock-failed")) == 4


def test_a_wrong_key_is_refused_where_the_log_takes_nothing(room: MadeRoom, tmp_path: Path) -> None:
    (tmp_path / "wrong").write_bytes(bytes(32))
    (tmp_path / "wrong").chmod(0o600)
    (room.home / "audit/pending").write_bytes(b"nonsense")
    with pytest.raises(BadPassphrase):
        open_room(room.home, Unlock(key_file=tmp_path / "wrong"))


def test_a_trace_that_is_given(room: MadeRoom, opened: strongroom.Room) -> None:
    opened.acting_as(purpose="nightly", trace_id=TRACE).acting_as(principal="bob").encrypt(b"x")
    (lease,) = told(room, "lease-opened")
    assert (lease["trace"], lease["purpose"], lease["principal"]) == (TRACE, "nightly", "bob")
    for wrong in ("0" * 32, TRACE.upper(), TRACE[1:], ""):
        with pytest.raises(Misuse):
            opened.acting_as(trace_id=wrong)


def test_a_trace_that_is_active(room: MadeRoom, opened: strongroom.Room, monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

    opened.encrypt(b"x", context={"traced": "no"})
    context = SpanContext(int(TRACE, 16), 1, is_remote=False, trace_flags=TraceFlags(1))
    with trace.use_span(NonRecordingSpan(context)):
        opened.encrypt(b"x", context={"traced": "yes"})
    assert [entry.get("trace") for entry in told(room, "lease-opened")] == [None, TRACE]
    # where nobody has imported it, nobody is asked
    monkeypatch.delitem(sys.modules, "opentelemetry.trace")
    opened.encrypt(b"x", context={"traced": "gone"})
    assert "opentelemetry.trace" not in sys.modules


def test_what_a_reader_does_not_know_survives(room: MadeRoom) -> None:
    from strongroom.audit import AuditLog, entries

    sink = AuditLog(room.home / "audit", "tester")
    line = b'{"a-new-member":[1,{"of":"later"}],"event":"from-the-future","id":"1","schema":9}\n'
    sink.send([line])
    sink.close()
    service = room.open()
    service.close()
    assert line.removesuffix(b"\n") in list(entries(room.home / "audit"))


def test_no_secret_and_no_value_of_a_context_is_in_any_entry(
    room: MadeRoom, opened: strongroom.Room, tmp_path: Path
) -> None:
    values = {"patient": "canary-of-a-context", "ward": "canary-of-another"}
    plaintext, wrong = b"canary-of-a-plaintext" * 4, b"canary-of-a-wrong-key-file------"
    message = bytearray(opened.encrypt(plaintext, context=values, reason="canary-of-a-reason"))
    opened.decrypt(message, context=values)
    for attempt in (
        lambda: opened.decrypt(message, context={"patient": "canary-of-a-guess"}),
        lambda: opened.encrypt(plaintext, context=values, data_class="nothing"),
    ):
        with pytest.raises(strongroom.errors.StrongroomError):
            attempt()
    message[-1] ^= 1
    with pytest.raises(AuthenticationFailed):
        opened.decrypt(message, context=values)
    (tmp_path / "wrong").write_bytes(wrong)
    (tmp_path / "wrong").chmod(0o600)
    with pytest.raises(BadPassphrase):
        open_room(room.home, Unlock(key_file=tmp_path / "wrong"))
    opened.close()
    key = room.key_file.read_bytes()
    secrets = [plaintext[:21], wrong, key, key[:16], b"canary-of-a-context", b"canary-of-another", b"canary-of-a-guess"]
    assert found_in(room.home / "audit", secrets) == set()
    # what is not secret is found by the same search
    assert found_in(room.home / "audit", [b"canary-of-a-reason"]) == {b"canary-of-a-reason"}


def found_in(folder: Path, needles: list[bytes]) -> set[bytes]:
    contents = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    forms = {needle: (needle, needle.hex().encode(), b64encode(needle)[:-4]) for needle in needles}
    return {needle for needle, written in forms.items() if any(form in contents for form in written)}
