"""docs/spec/room.md against what is on the disk, by code that shares nothing with the package."""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from builds import HAS_ARGON2ID
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from strongroom import crypto
from strongroom.audit import entries as audit_entries
from strongroom.home import NewWay, Unlock, drafted, init_room, open_room
from strongroom.keyservice import WayChange
from strongroom.keystore import CensusRecord, Change, OutboxEntry
from strongroom.model import Request

from tools import offline_decrypt

REQUEST = Request("alice", "test", "hold the specification to the code")
TOOL = Path(offline_decrypt.__file__)
COLUMNS = {
    "meta": [
        "id", "format", "room", "owner", "epoch", "newest", "root_version", "wrapped_mac_key", "moved_to", "members",
    ],
    "classes": [
        "name", "suite", "frame_length", "lease_seconds", "max_messages", "max_bytes", "scope_keys", "open",
        "rotate_every", "originator_usage", "recipient_usage", "destroy_wait", "census_age", "max_wraps", "created",
    ],
    "keys": [
        "id", "data_class", "scope", "current", "primary_version", "owner", "contact", "description", "tags", "created",
    ],
    "key_versions": [
        "key_id", "version", "state", "created", "activates", "activated", "active_until", "destroy_at", "left_state",
        "compromised", "edges", "history_mac", "root_version", "wrapped_kek",
    ],
    "levels": ["data_class", "level", "token"],
    "census": ["place", "key_id", "version", "messages", "bytes", "files", "taken"],
    "audit_logs": ["id", "place", "created"],
    "audit_heads": ["log", "size", "root"],
    "wrap_counters": ["key_id", "version", "reserved"],
    "outbox": ["event_id", "position", "line"],
    "key_history": [
        "key_id", "version", "number", "edge", "source", "target", "actor", "principal", "purpose", "reason", "time",
        "approvals", "event_id",
    ],
}  # fmt: skip
PRIMARY = {"classes": 1, "levels": 1, "keys": 1, "key_versions": 2, "census": 3, "audit_logs": 1}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A room, and two secrets that open it."""
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "state"))
    init_room(tmp_path / "room", make_key_file=tmp_path / "key", recovery_file=tmp_path / "recovery")
    return tmp_path


@pytest.fixture
def service(folder):
    service = open_room(folder / "room", Unlock(key_file=folder / "key"))
    yield service
    service.close()


def write_message(folder, service, plaintext, suite=0x0478, frame_length=64):
    context = {"strongroom-class": "default", "größe": "klein"}
    signing_key = crypto.SigningKey.for_suite(suite)
    if signing_key is not None:
        context["aws-crypto-public-key"] = signing_key.public_key
    made = service.generate_dek(REQUEST, "default", context)
    materials = crypto.EncryptionMaterials(
        suite, made.data_key, [made.edk], context, frame_length=frame_length, signing_key=signing_key
    )
    (folder / "message").write_bytes(crypto.encrypt(materials, plaintext))
    return context


def run_tool(folder, option, secret):
    """The tool in an interpreter where importing this package fails."""
    paths = [str(folder / name) for name in ("room", "message", "plaintext")]
    start = "import runpy, sys; sys.modules['strongroom'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    command = [sys.executable, "-c", start, str(TOOL), *paths, option, str(folder / secret)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("option", "secret"), [("--key-file", "key"), ("--recovery-file", "recovery"), ("--passphrase-file", "passphrase")]
)
def test_each_secret_decrypts_without_this_package(folder, service, option, secret):
    (folder / "passphrase").write_bytes("grün ist die Hoffnung\n".encode())
    if HAS_ARGON2ID:
        with drafted([NewWay(passphrase_file=folder / "passphrase")]) as [draft]:
            service.change_ways(REQUEST, WayChange(add=(draft.seal,)))
    write_message(folder, service, b"a plaintext of some frames" * 9)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    said = run_tool(folder, option, secret).stderr
    if option == "--passphrase-file" and not HAS_ARGON2ID:
        # no way into this room is one of these
        assert said == "not authentic: a wrong secret, or altered data\n"
        return
    assert said == ""
    assert (folder / "plaintext").read_bytes() == b"a plaintext of some frames" * 9


@pytest.mark.parametrize("suite", [0x0478, 0x0578])
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 128, 129])
def test_the_tool_decrypts_at_every_boundary_and_under_each_suite(folder, service, suite, length):
    plaintext = os.urandom(length)
    write_message(folder, service, plaintext, suite)
    assert b"".join(decrypt(folder)) == plaintext


@pytest.mark.parametrize("suite", [0x0478, 0x0578])
def test_the_tool_refuses_what_was_altered(folder, service, suite):
    plaintext = os.urandom(150)
    write_message(folder, service, plaintext, suite)
    whole, room = (folder / "message").read_bytes(), opened_room(folder)
    assert b"".join(decrypt(folder, room)) == plaintext
    for at in range(len(whole)):
        (folder / "message").write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises((Exception, SystemExit)):
            list(decrypt(folder, room))
    for length in range(len(whole)):
        (folder / "message").write_bytes(whole[:length])
        with pytest.raises(SystemExit):
            list(decrypt(folder, room))


def test_a_refused_message_leaves_no_target(folder, service):
    write_message(folder, service, bytes(200))
    (folder / "message").write_bytes((folder / "message").read_bytes()[:-1])
    assert "truncated" in run_tool(folder, "--key-file", "key").stderr
    assert not (folder / "plaintext").exists()


def test_the_tool_has_two_hundred_lines_at_most():
    assert len(TOOL.read_text().splitlines()) <= 200


def test_every_mac_is_the_one_of_the_specification(folder, service):
    service.create_class(REQUEST, "other", suite=0x0578, lease_seconds=0)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    write_message(folder, service, b"")
    count(service)
    room, key, rows = opened_keystore(folder)
    for table in set(COLUMNS) - {"key_history"}:
        for row in rows[table]:
            assert row["mac"] == mac(key, row_bytes(room, table, row)), table
    assert {table: len(rows[table]) for table in rows} == {
        "meta": 1, "classes": 2, "keys": 2, "key_versions": 3, "census": 1, "wrap_counters": 3, "outbox": 1,
        "key_history": 6, "audit_logs": 1, "audit_heads": 1, "levels": 0,
    }  # fmt: skip


def test_each_history_is_the_chain_of_the_specification(folder, service):
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    room, key, rows = opened_keystore(folder)
    for version in rows["key_versions"]:
        chain = [row for row in rows["key_history"] if row["version"] == version["version"]]
        head = b""
        for row in chain:
            head = mac(key, row_bytes(room, "key_history", row, after=head))
            assert row["mac"] == head
        assert [row["number"] for row in chain] == [1, 2]
        assert (version["edges"], version["history_mac"]) == (2, head)


def test_the_members_of_the_set_are_those_of_the_specification(folder, service):
    service.create_class(REQUEST, "other")
    count(service)
    _, _, rows = opened_keystore(folder)
    named = [
        (
            " ".join([table, "/".join(str(row[column]) for column in COLUMNS[table][: PRIMARY[table]])]).encode(),
            row["mac"],
        )
        for table in PRIMARY
        for row in rows[table]
    ]
    assert rows["meta"][0]["members"] == lp(*(part for pair in sorted(named) for part in pair))
    assert rows["meta"][0]["epoch"] == 3


def test_the_anchor_is_that_of_the_specification(folder, service):
    room, key, rows = opened_keystore(folder)
    anchor = json.loads((folder / "state" / "anchors" / room).read_bytes())
    said = lp(b"strongroom/1/anchor", room.encode(), b"1", rows["meta"][0]["mac"])
    expected = {"epoch": 1, "set_mac": rows["meta"][0]["mac"].hex(), "mac": mac(key, said).hex()}
    assert anchor == {"format": 1, "room": room, **expected}


def test_entries_are_those_of_the_specification(folder, service):
    context = write_message(folder, service, b"")
    lines = list(audit_entries(folder / "room" / "audit"))
    entries = [json.loads(line) for line in lines]
    assert [entry["event"] for entry in entries] == [
        "room-created",
        "class-created",
        "key-created",
        "writer-started",
        "lease-opened",
    ]
    made, _, first_key, started, opened = entries
    assert first_key["edges"] == [1, 4]
    pairs = sorted((key.encode(), value.encode()) for key, value in context.items())
    assert opened["context_digest"] == hashlib.sha256(lp(*(part for pair in pairs for part in pair))).hexdigest()
    common = {"schema", "event", "id", "time", "principal", "purpose", "reason", "actor", "host", "process", "library"}
    common |= {"request"}
    assert set(made) == common | {"room"}
    assert set(started) == common | {"writer"}
    lease = {
        "lease",
        "action",
        "data_class",
        "key_id",
        "version",
        "context_digest",
        "seconds",
        "max_messages",
        "max_bytes",
    }
    assert set(opened) == common | lease
    for line in lines:
        # with these members canonical JSON is what sorts keys and leaves out spaces
        assert line.decode() == json.dumps(json.loads(line), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert all(not isinstance(value, int) or abs(value) < 2**53 for value in json.loads(line).values())


def test_the_log_is_that_of_the_specification(folder, service):
    write_message(folder, service, b"")
    audit = folder / "room" / "audit"
    waiting = list(records(audit / "pending", 3))
    assert [json.loads(entry)["event"] for entry in waiting] == ["writer-started", "lease-opened"]
    service.close()
    assert list(records(audit / "pending", 6)) == []
    bundle = (audit / "tile/entries/000.p/6").read_bytes()
    entries = []
    while bundle:
        length = int.from_bytes(bundle[:2], "big")
        entries.append(bundle[2 : 2 + length])
        bundle = bundle[2 + length :]
    assert entries == list(audit_entries(audit))
    leaves = [hashlib.sha256(b"\0" + entry).digest() for entry in entries]
    assert (audit / "tile/0/000.p/6").read_bytes() == b"".join(leaves)
    pairs = [hashlib.sha256(b"\1" + leaves[at] + leaves[at + 1]).digest() for at in (0, 2, 4)]
    four = hashlib.sha256(b"\1" + pairs[0] + pairs[1]).digest()
    root = hashlib.sha256(b"\1" + four + pairs[2]).digest()

    room, key, rows = opened_keystore(folder)
    (log,), (head,) = rows["audit_logs"], rows["audit_heads"]
    assert (head["log"], head["size"], head["root"]) == (log["id"], 6, root)
    assert log["place"] == f"{os.uname().nodename}:{audit}"
    seed = mac(key, lp(b"strongroom/1/audit-key", room.encode(), log["id"].encode()))
    private, name = Ed25519PrivateKey.from_private_bytes(seed), f"strongroom/{room}/{log['id']}"
    public = b"\1" + private.public_key().public_bytes_raw()
    key_id = hashlib.sha256(name.encode() + b"\n" + public).digest()[:4]
    assert (audit / "vkey").read_text() == f"{name}+{key_id.hex()}+{base64.b64encode(public).decode()}\n"
    text = f"{name}\n6\n{base64.b64encode(root).decode()}\n"
    signature = base64.b64encode(key_id + private.sign(text.encode())).decode()
    assert (audit / "checkpoint").read_text() == f"{text}\n\u2014 {name} {signature}\n"


def records(path, first):
    """The entries of `pending`, whose numbers begin with `first`."""
    content = path.read_bytes()
    said, fence = content[:24], content[8:16]
    assert said[:8] == b"SRaudit1"
    assert int.from_bytes(said[16:], "big") == first
    assert content[24:32] == hashlib.sha256(said).digest()[:8]
    content = content[32:]
    while content:
        end = 2 + int.from_bytes(content[:2], "big")
        checked = hashlib.sha256(fence + first.to_bytes(8, "big") + content[:end]).digest()[:8]
        assert content[end : end + 8] == checked
        yield content[2:end]
        content, first = content[end + 8 :], first + 1


def count(service):
    """A census, and an event that waits."""
    taken = datetime(2026, 1, 1, tzinfo=UTC)
    census = CensusRecord(place="host:/a", key_id="", version=0, messages=0, bytes=0, files=0, taken=taken)
    service._keystore.change(lambda snapshot: Change(census=(census,), outbox=(OutboxEntry("e" * 32, b"line"),)))


def opened_room(folder):
    return offline_decrypt.Room(folder / "room", (folder / "key").read_bytes())


def decrypt(folder, room=None):
    with (folder / "message").open("rb") as source:
        yield from offline_decrypt.Message(source).plaintext(room or opened_room(folder))


def opened_keystore(folder):
    """The room's id, its MAC key, and all rows by table."""
    room = opened_room(folder)
    database = sqlite3.connect(folder / "room" / "keystore.db")
    database.row_factory = sqlite3.Row
    rows = {table: database.execute(f"SELECT * FROM {table}").fetchall() for table in COLUMNS}
    database.close()
    wrapping_key = HKDF(hashes.SHA256(), 32, None, b"strongroom/v1/mac").derive(room.roots[1])
    wrapped, binding = rows["meta"][0]["wrapped_mac_key"], lp(b"strongroom/1/mac-key", room.id.encode(), b"1")
    return room.id, AESGCM(wrapping_key).decrypt(wrapped[:12], wrapped[12:], binding), rows


def row_bytes(room, table, row, after=None):
    assert list(row.keys()) == [*COLUMNS[table], "mac"]
    fields = [part for column in COLUMNS[table] for part in (column.encode(), spell(row[column]))]
    follows = [] if after is None else [b"after", after]
    return lp(b"strongroom/1/row", room.encode(), table.encode(), *fields, *follows)


def spell(value):
    if value is None:
        return b"n"
    if isinstance(value, int):
        return b"i" + value.to_bytes(8, "big", signed=True)
    return b"s" + value.encode() if isinstance(value, str) else b"b" + value


def lp(*fields):
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)


def mac(key, said):
    return hmac.digest(key, said, "sha256")
