"""Where wrapped keys and their states live: a database, every row authenticated. Specified in docs/spec/room.md.

The only room that imports SQLAlchemy and, to make a keystore, Alembic.
"""

from strongroom.keystore.anchor import Anchor
from strongroom.keystore.checking import Findings, check_keystore
from strongroom.keystore.dump import Dump
from strongroom.keystore.loading import Glance, glance, load_keystore
from strongroom.keystore.making import forget_keystore, make_keystore
from strongroom.keystore.postgres import check_url
from strongroom.keystore.records import (
    CensusRecord,
    Change,
    HistoryRecord,
    KeyRecord,
    LogHead,
    LogRecord,
    OutboxEntry,
    RootChange,
    SettingRecord,
    Snapshot,
    VersionRecord,
)
from strongroom.keystore.store import Keystore

__all__ = [
    "Anchor",
    "CensusRecord",
    "Change",
    "Dump",
    "Findings",
    "Glance",
    "HistoryRecord",
    "KeyRecord",
    "Keystore",
    "LogHead",
    "LogRecord",
    "OutboxEntry",
    "RootChange",
    "SettingRecord",
    "Snapshot",
    "VersionRecord",
    "check_keystore",
    "check_url",
    "forget_keystore",
    "glance",
    "load_keystore",
    "make_keystore",
]
