"""A keystore moved from one database to another, so that at any instant one of the two is in force.

The one that is left stays as it was, marked with where it has gone. Marks decide, and are signed like everything else:

```
1. copy         source: in force        target: waits, marked "at SOURCE"
2. the move     source: "at TARGET"     target: waits
3. settled      source: "at TARGET"     target: in force
```

Writers are kept out of the source from 1 to 2. After a crash before 2 the source is in force, and the target is replaced by the
next move; after one behind 2, whoever opens the source settles the target.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, delete, insert, inspect

from strongroom.errors import KeystoreUnavailable, RoomTampered, TargetExists
from strongroom.files import create_private
from strongroom.keystore import outbox
from strongroom.keystore.anchor import Anchor, Mark, check_progress
from strongroom.keystore.engine import Database
from strongroom.keystore.reading import check_in_force, open_mac_key, read_meta, read_rows, verified_members
from strongroom.keystore.rowmac import RowMac
from strongroom.keystore.rows import as_bytes, as_int
from strongroom.keystore.store import seal
from strongroom.keystore.tables import (
    AUDIT_HEADS,
    AUDIT_LOGS,
    CENSUS,
    CLASSES,
    KEY_HISTORY,
    KEY_VERSIONS,
    KEYS,
    LEVELS,
    META,
    OUTBOX,
    SETTINGS,
    WRAP_COUNTERS,
)

if TYPE_CHECKING:
    from strongroom.keystore.engine import Place
    from strongroom.keystore.reading import Root, Row
    from strongroom.keystore.records import OutboxEntry


def move_keystore(source: Place, target: Place, room_id: str, root: Root, anchors: Path, entry: OutboxEntry) -> None:
    """Move everything from `source`, which was verified, to `target`, and add `entry` to its outbox. Not settled yet.

    Raises TargetExists if something else is there.
    """
    old = Database(source)
    try:
        with old.writing() as here:
            meta = read_meta(here, room_id)
            macs = RowMac(open_mac_key(meta, room_id, root), room_id)
            # in the transaction itself: what is signed anew below must not be a stranger's
            verified_members(here, macs, meta)
            check_in_force(meta)
            epoch = as_int(meta["epoch"])
            check_progress(Anchor(anchors, room_id, macs.key).read(), Mark(epoch, as_bytes(meta["mac"])))
            vacate(target, room_id, macs)
            waits = {**meta, "epoch": epoch + 2, "moved_to": mark_of(source)}
            put(here, target, macs, waits, entry)
            seal(here, macs, {**meta, "epoch": epoch + 1, "moved_to": mark_of(target)})
        macs.close()
    finally:
        old.close()


def settle(place: Place, room_id: str, root: Root, came_from: Place) -> None:
    """Put the keystore at `place` in force, if it waits for that and the one at `came_from` has left its place to it."""
    if isinstance(place, Path) and not place.is_file():
        raise KeystoreUnavailable(f"the keystore was moved to {place}, which is missing here")
    database = Database(place)
    try:
        with database.writing() as connection:
            meta = read_meta(connection, room_id)
            macs = RowMac(open_mac_key(meta, room_id, root), room_id)
            verified_members(connection, macs, meta)
            if meta["moved_to"] == mark_of(came_from):
                seal(connection, macs, {**meta, "epoch": as_int(meta["epoch"]) + 1, "moved_to": None})
        macs.close()
    finally:
        database.close()


def mark_of(place: Place) -> str:
    """How a mark names a place: a file by its name, since the room may be copied to another directory."""
    return place.name if isinstance(place, Path) else place


def vacate(target: Place, room_id: str, macs: RowMac) -> None:
    """Make space: a keystore of this room that is no longer in force, or never was, is put aside."""
    if not isinstance(target, Path):
        return
    if target.exists():
        epoch = superseded(target, room_id, macs)
        target.replace(target.with_name(f"{target.stem}-{epoch}{target.suffix}"))
    create_private(target)


def superseded(target: Path, room_id: str, macs: RowMac) -> int:
    """The epoch of a file that is not in force, 0 for one without tables. Raises TargetExists for any other."""
    database = Database(target)
    try:
        with database.reading() as connection:
            return leftover(connection, target, room_id, macs)
    finally:
        database.close()


def leftover(connection: Connection, target: Place, room_id: str, macs: RowMac) -> int:
    """The epoch of what is left over at a target. Raises TargetExists if it is not a keystore of this room, marked."""
    if not inspect(connection).has_table(META.name):
        return 0
    try:
        meta = read_meta(connection, room_id)
        macs.check(META, meta)
    except RoomTampered:
        raise TargetExists(f"{target} holds a keystore that is not this room's") from None
    if meta["moved_to"] is None:
        raise TargetExists(f"{target} holds a keystore of this room that is in force")
    return as_int(meta["epoch"])


def put(here: Connection, target: Place, macs: RowMac, meta: Row, entry: OutboxEntry) -> None:
    """Copy every row to `target`, with `meta` for the meta row, in one transaction."""
    # opening a room may finish a move, and needs no migrations
    from strongroom.keystore.migrate import upgrade

    database = Database(target)
    try:
        with database.writing() as there:
            left_over = leftover(there, target, str(meta["room"]), macs)
            upgrade(there)
            if left_over:
                for table in reversed(TABLES):
                    there.execute(delete(table))
            for table in TABLES:
                rows = read_rows(here, table)
                if rows:
                    there.execute(insert(table), [dict(row) for row in rows])
            outbox.put(there, macs, [entry])
            seal(there, macs, meta)
    finally:
        database.close()


# those first that others point to; the meta row is written when the set is sealed
TABLES = (
    KEYS,
    KEY_VERSIONS,
    CLASSES,
    LEVELS,
    CENSUS,
    KEY_HISTORY,
    WRAP_COUNTERS,
    AUDIT_LOGS,
    AUDIT_HEADS,
    SETTINGS,
    OUTBOX,
)
