"""A new keystore."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.files import create_private
from strongroom.keys import mac_key_binding
from strongroom.keystore.engine import Database
from strongroom.keystore.reading import FORMAT
from strongroom.keystore.rowmac import RowMac
from strongroom.keystore.rows import to_microseconds
from strongroom.keystore.store import newest, seal, write_change

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom.keystore.records import Change
    from strongroom.keystore.rowmac import Value
    from strongroom.keystore.store import Root


def make_keystore(path: Path, room_id: str, owner: str, root: Root, first: Change) -> None:
    """A new keystore at `path`, at epoch 1, holding `first`. The caller makes sure that a crash leaves no half of it."""
    from strongroom.crypto import MacKey
    from strongroom.keystore.migrate import upgrade

    create_private(path)
    key = MacKey.generate()
    macs = RowMac(key, room_id)
    database = Database(path)
    try:
        with database.writing() as connection:
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
