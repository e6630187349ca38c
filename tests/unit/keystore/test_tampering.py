"""Whatever is changed behind the room's back is found when the room is opened, and named."""

import os
import re
import shutil
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom, copy_of
from strongroom.errors import KeystoreUnavailable, RoomOutdated, RoomTampered, UnsupportedFormat
from strongroom.keystore.tables import METADATA

TABLES = {
    "meta": "id",
    "classes": "name",
    "keys": "id",
    "key_versions": "key_id || '/' || version",
}
COLUMNS = [
    ("meta", "owner", "'mallory'"),
    ("meta", "epoch", "7"),
    ("meta", "members", "x'00'"),
    ("meta", "wrapped_mac_key", "zeroblob(60)"),
    ("meta", "newest", "1"),
    ("meta", "moved_to", "'elsewhere'"),
    ("classes", "lease_seconds", "999999"),
    ("classes", "max_messages", "1"),
    ("classes", "suite", "'0x0478'"),
    ("classes", "scope_keys", "'[\"tenant\"]'"),
    ("classes", "open", "1"),
    ("classes", "destroy_wait", "0"),
    ("classes", "max_wraps", "1"),
    ("keys", "primary_version", "1"),
    ("keys", "scope", "'{}'"),
    ("keys", "current", "0"),
    ("keys", "owner", "'mallory'"),
    ("keys", "tags", '\'{"a":"b"}\''),
    ("keys", "created", "0"),
    ("key_versions", "state", "'COMPROMISED'"),
    ("key_versions", "active_until", "1"),
    ("key_versions", "activates", "1"),
    ("key_versions", "destroy_at", "1"),
    ("key_versions", "left_state", "'ACTIVE'"),
    ("key_versions", "compromised", "1"),
    ("key_versions", "edges", "1"),
    ("key_versions", "history_mac", "zeroblob(32)"),
    ("key_versions", "wrapped_kek", "NULL"),
    ("key_versions", "wrapped_kek", "zeroblob(60)"),
    ("key_versions", "wrapped_kek", "'text'"),
    ("key_versions", "root_version", "1.5"),
    ("key_versions", "mac", "zeroblob(32)"),
    ("key_versions", "mac", "x''"),
]


@pytest.fixture
def lived_in(room: MadeRoom) -> MadeRoom:
    """A room with two classes, and a key of two versions."""
    service = room.open()
    service.create_class(REQUEST, "pii")
    for key in service.describe(REQUEST).keys:
        service.rotate(REQUEST, key.id)
    service.close()
    return room


def test_the_room_as_it_was_made_opens(lived_in: MadeRoom) -> None:
    service = lived_in.open()
    assert [len(key.versions) for key in service.describe(REQUEST).keys] == [2, 2]
    service.close()


@pytest.mark.parametrize(("table", "column", "value"), COLUMNS)
def test_an_edited_row_is_named(lived_in: MadeRoom, table: str, column: str, value: str) -> None:
    name = lived_in.sql(f"SELECT rowid, {TABLES[table]} FROM {table} ORDER BY 2 LIMIT 1")[0]
    lived_in.sql(f"UPDATE {table} SET {column} = {value} WHERE rowid = ?", name[0])
    refused(lived_in, f"^{table} ")


def test_an_edited_row_is_named_by_its_key(lived_in: MadeRoom) -> None:
    name = lived_in.sql("SELECT max(key_id) FROM key_versions")[0][0]
    lived_in.sql("UPDATE key_versions SET state = 'DEACTIVATED' WHERE version = 2 AND key_id = ?", name)
    refused(lived_in, f"key_versions {name}/2: .*changed")


@pytest.mark.parametrize("table", ["classes", "keys", "key_versions"])
def test_a_deleted_row_is_named(lived_in: MadeRoom, table: str) -> None:
    rowid, name = lived_in.sql(f"SELECT rowid, {TABLES[table]} FROM {table} LIMIT 1")[0]
    lived_in.sql(f"DELETE FROM {table} WHERE rowid = ?", rowid)
    refused(lived_in, f"{table} {name}: .*missing")


def test_a_deleted_or_doubled_meta_row_is_found(lived_in: MadeRoom) -> None:
    lived_in.sql(f"INSERT INTO meta SELECT {columns('meta', id='2')} FROM meta")
    refused(lived_in, "meta: 2 rows")
    lived_in.sql("DELETE FROM meta")
    refused(lived_in, "meta: 0 rows")


def test_an_inserted_row_is_named(lived_in: MadeRoom) -> None:
    new = columns("classes", name="'new'", lease_seconds="9")
    lived_in.sql(f"INSERT INTO classes SELECT {new} FROM classes LIMIT 1")
    refused(lived_in, "classes new: .*changed")


def test_a_row_of_an_earlier_time_put_back_or_added_is_named(lived_in: MadeRoom) -> None:
    key_id, *old = lived_in.sql("SELECT id, primary_version, mac FROM keys ORDER BY id")[0]
    service = lived_in.open()
    service.rotate(REQUEST, str(key_id))
    service.close()
    lived_in.sql("UPDATE keys SET primary_version = ?, mac = ? WHERE id = ?", *old, key_id)
    refused(lived_in, f"keys {key_id}: .*older")


def test_a_row_that_was_ours_and_is_added_again_is_named(room: MadeRoom, state: Path) -> None:
    before = copy_of(room.home, "before")
    service = room.open()
    service.create_class(REQUEST, "pii")
    row = room.sql("SELECT * FROM classes WHERE name = 'pii'")[0]
    service.close()
    shutil.rmtree(room.home)
    shutil.copytree(before, room.home)
    shutil.rmtree(state / "anchors")
    room.sql(f"INSERT INTO classes VALUES ({', '.join('?' * len(row))})", *row)
    refused(room, "classes pii: .*added")


def test_swapped_rows_are_named(lived_in: MadeRoom) -> None:
    lived_in.sql("UPDATE key_versions SET version = version + 10")
    lived_in.sql("UPDATE key_versions SET version = 13 - version")
    refused(lived_in, "key_versions .*changed")


def test_swapped_keks_are_named(lived_in: MadeRoom) -> None:
    (a, kek_a), (b, kek_b) = lived_in.sql("SELECT rowid, wrapped_kek FROM key_versions LIMIT 2")
    lived_in.sql("UPDATE key_versions SET wrapped_kek = ? WHERE rowid = ?", kek_b, a)
    lived_in.sql("UPDATE key_versions SET wrapped_kek = ? WHERE rowid = ?", kek_a, b)
    refused(lived_in, "key_versions .*changed")


def test_an_older_database_put_back_is_found(room: MadeRoom) -> None:
    before = copy_of(room.home, "before")
    service = room.open()
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    shutil.copy(before / "keystore.db", room.home / "keystore.db")
    refused(room, "put back: it is at epoch 1, and this host has seen epoch 2")


def test_another_history_of_the_same_length_is_found(room: MadeRoom, state: Path) -> None:
    other = copy_of(room.home, "other")
    service = room.open()
    key = service.describe(REQUEST).keys[0].id
    service.rotate(REQUEST, key)
    service.close()
    seen = copy_of(state / "anchors", "seen")
    shutil.rmtree(state / "anchors")
    fork = MadeRoom(other, room.key_file, room.room_id, "")
    service = fork.open()
    service.rotate(REQUEST, key)
    service.close()
    shutil.rmtree(state / "anchors")
    seen.rename(state / "anchors")
    refused(fork, "replaced")
    room.open().close()


def test_a_database_put_back_under_an_open_room_is_found(room: MadeRoom) -> None:
    before = (room.home / "keystore.db").read_bytes()
    service = room.open()
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    (room.home / "keystore.db").write_bytes(before)
    with pytest.raises(RoomTampered, match="put back"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()


def test_a_changed_anchor_is_found(room: MadeRoom, state: Path) -> None:
    anchor = state / "anchors" / room.room_id
    anchor.write_text(anchor.read_text().replace('"epoch": 1', '"epoch": 0'))
    refused(room, "anchor")


def test_a_room_on_a_new_host_gets_an_anchor(room: MadeRoom, state: Path) -> None:
    shutil.rmtree(state / "anchors")
    room.open().close()
    assert (state / "anchors" / room.room_id).stat().st_mode & 0o777 == 0o600


def test_an_anchor_that_a_crash_left_behind_is_moved_up(room: MadeRoom, state: Path) -> None:
    anchor = state / "anchors" / room.room_id
    behind = anchor.read_bytes()
    service = room.open()
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.close()
    anchor.write_bytes(behind)
    room.open().close()
    assert '"epoch": 2' in anchor.read_text()


@pytest.mark.parametrize(
    "change", ["DELETE FROM wrap_counters", "UPDATE wrap_counters SET reserved = 0 WHERE reserved > 0 OR 1"]
)
def test_a_changed_wrap_counter_is_found_when_it_is_needed(room: MadeRoom, change: str) -> None:
    service = room.open()
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()
    room.sql(change)
    service = room.open()
    with pytest.raises(RoomTampered, match="wrap_counters"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()


def test_keystores_of_two_rooms_do_not_mix(tmp_path: Path, room: MadeRoom) -> None:
    from rooms import make_room

    (tmp_path / "b").mkdir()
    other = make_room(tmp_path / "b")
    shutil.copy(other.home / "keystore.db", room.home / "keystore.db")
    refused(room, "another room")


def test_a_newer_keystore_is_refused(room: MadeRoom) -> None:
    room.sql("UPDATE meta SET format = 3")
    with pytest.raises(UnsupportedFormat, match="format 3"):
        room.open()


def test_an_older_keystore_is_refused_with_the_command_that_upgrades_it(room: MadeRoom) -> None:
    room.sql("UPDATE meta SET format = 1")
    with pytest.raises(RoomOutdated, match="`strongroom keystore upgrade`"):
        room.open()


def test_a_missing_or_broken_database_is_unavailable(room: MadeRoom) -> None:
    database = room.home / "keystore.db"
    database.write_bytes(b"not a database" * 1000)
    with pytest.raises(KeystoreUnavailable):
        room.open()
    os.unlink(database)
    with pytest.raises(KeystoreUnavailable, match="missing"):
        room.open()
    assert not database.exists()


def test_a_schema_that_is_no_text_is_unavailable(room: MadeRoom) -> None:
    database = room.home / "keystore.db"
    # SQLite quotes what it cannot parse
    database.write_bytes(database.read_bytes().replace(b"CREATE TABLE meta", b"CREATE\xffTABLE meta"))
    with pytest.raises(KeystoreUnavailable, match="damaged"):
        room.open()


def columns(table: str, **instead: str) -> str:
    """The columns of a table as they are selected, some replaced by something else."""
    return ", ".join(instead.get(column.name, column.name) for column in METADATA.tables[table].columns)


def refused(room: MadeRoom, pattern: str) -> None:
    with pytest.raises(RoomTampered) as caught:
        room.open()
    assert re.search(pattern, str(caught.value)), str(caught.value)
