"""Where wrapped keys and their states live: SQLite, every row authenticated. Specified in docs/spec/room.md.

The only room that imports SQLAlchemy and, to make a keystore, Alembic.
"""

from strongroom.keystore.anchor import Anchor
from strongroom.keystore.records import KeyRecord, Snapshot, VersionRecord
from strongroom.keystore.store import Change, Keystore, make_keystore

__all__ = ["Anchor", "Change", "KeyRecord", "Keystore", "Snapshot", "VersionRecord", "make_keystore"]
