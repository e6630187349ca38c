"""A new keystore."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect

from strongroom.errors import TargetExists
from strongroom.files import create_private
from strongroom.keys import mac_key_binding
from strongroom.keystore.engine import Database
from strongroom.keystore.reading import FORMAT, read_meta
from strongroom.keystore.rowmac import RowMac
from strongroom.keystore.rows import to_microseconds
from strongroom.keystore.store import newest, seal, write_change
from strongroom.keystore.tables import METADATA

if TYPE_CHECKING:
    from strongroom.keystore.engine import Place
    from strongroom.keystore.reading import Root
    from strongroom.keystore.records import Change
    from strongroom.keystore.rowmac import Value


def make_keystore(place: Place, room_id: str, owner: str, root: Root, first: Change) -> None:
    """A new keystore at `place`, at epoch 1, holding `first`. The caller makes sure that a crash leaves no half of a file.

    Raises TargetExists for a database that holds one already.
    """
    from strongroom.crypto import MacKey
    from strongroom.keystore.migrate import upgrade

    if isinstance(place, Path):
        create_private(place)
    key = MacKey.generate()
    macs = RowMac(key, room_id)
    database = Database(place)
    try:
        with database.writing() as connection:
            check_vacant(connection, place)
            upgrade(connection)
            write_change(connection, macs, {}, first)
            meta: dict[str, Value] = {
                "id": 1,
                "format": FORMAT,
                "room": room_id,
                "owner": owner,
                "epoch": 1,
                "newest": to_microseconds(newest(first)),
                "root_version": root.version,
                "wrapped_mac_key": root.wrap_mac_key(key, mac_key_binding(room_id, root.version)),
                "moved_to": None,
            }
            seal(connection, macs, meta)
    finally:
        database.close()
        macs.close()


def check_vacant(connection: Connection, place: Place) -> None:
    """Raises TargetExists if a keystore has been made here."""
    found = set(inspect(connection).get_table_names()) & {*METADATA.tables, "alembic_version"}
    if found:
        raise TargetExists(
            f"{place} holds tables of a keystore already ({', '.join(sorted(found))}): give each room a database or schema of its own"
        )


def forget_keystore(place: Place, room_id: str) -> None:
    """Remove the tables of a room that did not come to be. A file goes with its directory."""
    if isinstance(place, Path):
        return
    database = Database(place)
    try:
        with database.writing() as connection:
            read_meta(connection, room_id)
            connection.exec_driver_sql("DROP TABLE alembic_version")
            METADATA.drop_all(connection)
    finally:
        database.close()
