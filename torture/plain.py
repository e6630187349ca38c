"""A room as it was before there were logs: a plain trail, and a keystore that knows of none."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit import entries
from strongroom.files import write_private
from strongroom.keystore.reading import COMPLETE, read_meta
from strongroom.keystore.rows import as_int
from strongroom.keystore.store import seal
from strongroom.keystore.tables import LATE

if TYPE_CHECKING:
    from strongroom.keyservice import EmbeddedKeyService
    from strongroom.keystore import Keystore


def as_before_logs(home: Path, service: EmbeddedKeyService) -> list[bytes]:
    """Make the room at `home`, which `service` has open, one of before; it is closed then. Gives the entries."""
    found, keystore = list(entries(home / "audit")), service._keystore
    forget_logs(keystore)
    service._sink._closed = True  # type: ignore[attr-defined] # there is nothing left that it could seal
    service.close()
    shutil.rmtree(home / "audit")
    (home / "audit").mkdir(mode=0o700)
    write_private(home / "audit" / "events.jsonl", b"".join(entry + b"\n" for entry in found))
    return found


def forget_logs(keystore: Keystore) -> None:
    """Take the tables of logs away, and what the set says of them."""
    with keystore._database.writing() as connection:
        meta = read_meta(connection, keystore._room_id)
        for table in LATE:
            connection.exec_driver_sql(f"DROP TABLE {table.name}")
        COMPLETE.discard(connection.engine)
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0002'")
        seal(connection, keystore._macs, {**meta, "epoch": as_int(meta["epoch"]) + 1})
