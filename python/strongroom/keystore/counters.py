"""How many data keys a KEK version has wrapped, so that random nonces stay safe. Source: NIST SP 800-38D, section 8.3.

Wraps are reserved in blocks, in the database before the first of them is used, so that a crash can only count too many.
Blocks begin small and grow to 2²⁰: a script that encrypts one file must not use up a 4096th of the limit.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, Connection, insert, select, update

from strongroom.errors import LimitExceeded, RoomTampered
from strongroom.keystore.tables import WRAP_COUNTERS

if TYPE_CHECKING:
    from strongroom.keystore.engine import Database
    from strongroom.keystore.rowmac import RowMac


class WrapCounters:
    """Hands out wraps. Thread-safe."""

    def __init__(self, database: Database, macs: RowMac) -> None:
        self._database = database
        self._macs = macs
        self._lock = threading.Lock()
        self._left: dict[tuple[str, int], int] = {}
        self._block: dict[tuple[str, int], int] = {}

    def take(self, key_id: str, version: int, most: int) -> None:
        """Count one wrap under a key version. Raises LimitExceeded before there could be more than `most`, or too many."""
        name = (key_id, version)
        with self._lock:
            if self._left.get(name, 0) == 0:
                block = self._block.get(name, FIRST_BLOCK)
                self._left[name] = self._reserve(key_id, version, block, min(most, MAX_WRAPS))
                self._block[name] = min(block * GROWTH, LARGEST_BLOCK)
            self._left[name] -= 1

    def _reserve(self, key_id: str, version: int, block: int, most: int) -> int:
        with self._database.writing() as connection:
            reserved = self._reserved(connection, key_id, version)
            granted = min(block, most - reserved)
            if granted <= 0:
                raise LimitExceeded(
                    f"key {key_id} version {version} has wrapped as many data keys as it may: rotate it"
                )
            row = self._macs.signed(WRAP_COUNTERS, counter_row(key_id, version, reserved + granted))
            connection.execute(update(WRAP_COUNTERS).where(*counter_is(key_id, version)).values(row))
        return granted

    def _reserved(self, connection: Connection, key_id: str, version: int) -> int:
        row = connection.execute(select(WRAP_COUNTERS).where(*counter_is(key_id, version))).mappings().one_or_none()
        if row is None:
            raise RoomTampered(f"wrap_counters {key_id}/{version}: the row is missing, someone removed it")
        self._macs.check(WRAP_COUNTERS, dict(row))
        return int(row["reserved"])


def read_counters(connection: Connection, macs: RowMac) -> dict[tuple[str, int], int]:
    """The wraps that were reserved under every key version. Raises RoomTampered."""
    rows = [dict(row) for row in connection.execute(select(WRAP_COUNTERS)).mappings()]
    for row in rows:
        macs.check(WRAP_COUNTERS, row)
    return {(row["key_id"], row["version"]): row["reserved"] for row in rows}


def start_counter(connection: Connection, macs: RowMac, key_id: str, version: int) -> None:
    """The counter of a new key version."""
    connection.execute(insert(WRAP_COUNTERS).values(macs.signed(WRAP_COUNTERS, counter_row(key_id, version, 0))))


def counter_row(key_id: str, version: int, reserved: int) -> dict[str, int | str | bytes | None]:
    """The columns of `wrap_counters`."""
    return {"key_id": key_id, "version": version, "reserved": reserved}


def counter_is(key_id: str, version: int) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """The condition that picks one counter."""
    return WRAP_COUNTERS.c.key_id == key_id, WRAP_COUNTERS.c.version == version


FIRST_BLOCK = 64
GROWTH = 16
LARGEST_BLOCK = 2**20
# below 2³² by a block, the limit of SP 800-38D for random nonces of 96 bits
MAX_WRAPS = 2**32 - LARGEST_BLOCK
