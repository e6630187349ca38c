import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom
from strongroom.errors import LimitExceeded
from strongroom.keystore import counters
from strongroom.keystore.engine import Database
from strongroom.keystore.migrate import upgrade
from strongroom.keystore.tables import METADATA


def test_migrations_lead_to_the_tables(tmp_path: Path, keystore_url: str | None) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    (tmp_path / "a%b.db").touch()
    database = Database(keystore_url or tmp_path / "a%b.db")
    with database.writing() as connection:
        upgrade(connection)
        assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
    database.close()


def test_opening_a_room_needs_no_migrations(room: MadeRoom) -> None:
    program = (
        "import sys; from strongroom.home import Unlock, open_room\n"
        "open_room(sys.argv[1], Unlock(key_file=sys.argv[2])).close()\n"
        "sys.exit('alembic' in sys.modules or 'sqlalchemy' not in sys.modules)\n"
    )
    command = [sys.executable, "-c", program, str(room.home), str(room.key_file)]
    assert subprocess.run(command, check=False).returncode == 0


def test_the_journal_follows_the_library(room: MadeRoom) -> None:
    expected = "wal" if sqlite3.sqlite_version_info >= (3, 51, 3) else "delete"
    assert room.sql("PRAGMA journal_mode") == [(expected,)]


def test_wraps_are_reserved_in_growing_blocks(room: MadeRoom) -> None:
    service = room.open()
    assert room.sql("SELECT reserved FROM wrap_counters") == [(0,)]
    for _ in range(65):
        service.generate_dek(REQUEST, "default", CONTEXT)
    assert room.sql("SELECT reserved FROM wrap_counters") == [(64 + 1024,)]
    service.close()


def test_a_used_up_version_wraps_no_more(room: MadeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counters, "MAX_WRAPS", 70)
    service = room.open()
    for _ in range(70):
        service.generate_dek(REQUEST, "default", CONTEXT)
    with pytest.raises(LimitExceeded, match="rotate"):
        service.generate_dek(REQUEST, "default", CONTEXT)
    service.rotate(REQUEST, service.describe(REQUEST).keys[0].id)
    service.generate_dek(REQUEST, "default", CONTEXT)
    service.close()


def test_the_limit_stays_below_two_to_the_32() -> None:
    assert 2**31 < counters.MAX_WRAPS < 2**32
