"""MACs over rows, and over the set of rows. Specified in docs/spec/room.md, "Row MACs" and "The set of rows".

A row's MAC covers the room, the table and every column by name, so no row passes for another. The meta row lists
every other row with its MAC and is itself authenticated with the epoch: its MAC is the set MAC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.errors import AuthenticationFailed, RoomTampered
from strongroom.keys import length_prefixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from sqlalchemy import Table

    from strongroom.crypto import MacKey

Value = int | str | bytes | None


class RowMac:
    """Signs and verifies the rows of one room."""

    def __init__(self, key: MacKey, room_id: str) -> None:
        self.key = key
        self._room_id = room_id

    def signed(self, table: Table, values: Mapping[str, Value], *, after: bytes | None = None) -> dict[str, Value]:
        """`values` with their MAC in the column `mac`. In a chain, `after` is the MAC of the row before."""
        return {**values, "mac": self.key.sign(self._said(table, values, after))}

    def check(self, table: Table, row: Mapping[str, Value], *, after: bytes | None = None) -> None:
        """Raises RoomTampered naming the row unless its MAC is ours, in a chain behind `after`."""
        if not self._matches(table, row, row["mac"], after):
            raise RoomTampered(f"{row_name(table, row)}: its MAC does not match what it says, someone changed it")

    def check_set(self, members: bytes, rows: Iterable[tuple[Table, Mapping[str, Value]]]) -> None:
        """Raises RoomTampered naming the row unless `rows` are exactly those in `members`, which was authenticated."""
        for fault in self.faults(members, rows):
            raise RoomTampered(fault)

    def faults(self, members: bytes, rows: Iterable[tuple[Table, Mapping[str, Value]]]) -> Iterator[str]:
        """Every row that is not the one in `members`, and every one that is missing."""
        try:
            expected = unpack_members(members)
        except RoomTampered as error:
            yield str(error)
            return
        for table, row in rows:
            name = row_name(table, row)
            listed = expected.pop(name, None)
            if listed is None:
                yield f"{name}: the row does not belong to the keystore, someone added it"
            elif not self._matches(table, row, listed):
                yield f"{name}: the row is not the current one, someone put back an older"
        for name in sorted(expected):
            yield f"{name}: the row is missing, someone removed it"

    def close(self) -> None:
        """Wipe the key."""
        self.key.close()

    def _matches(self, table: Table, row: Mapping[str, Value], mac: Value, after: bytes | None = None) -> bool:
        try:
            self.key.verify(self._said(table, row, after), mac if isinstance(mac, bytes) else b"")
        except AuthenticationFailed:
            return False
        return True

    def _said(self, table: Table, row: Mapping[str, Value], after: bytes | None) -> bytes:
        """All that a row says, canonical, and what it follows on."""
        columns = [column.name for column in table.columns if column.name != "mac"]
        fields = [part for name in columns for part in (name.encode(), spell(row[name]))]
        if after is not None:
            fields += [b"after", after]
        return length_prefixed(b"strongroom/1/row", self._room_id.encode(), table.name.encode(), *fields)


def row_name(table: Table, row: Mapping[str, Value]) -> str:
    """A row's table and primary key, such as `key_versions 0f…/2`."""
    return f"{table.name} " + "/".join(str(row[column.name]) for column in table.primary_key.columns)


def pack_members(rows: Iterable[tuple[Table, Mapping[str, Value]]]) -> bytes:
    """The names and MACs of `rows`, in the order of the names' bytes."""
    macs = sorted((row_name(table, row).encode(), row["mac"]) for table, row in rows)
    return length_prefixed(*(part for name, mac in macs for part in (name, mac) if isinstance(part, bytes)))


def unpack_members(packed: bytes) -> dict[str, bytes]:
    """MACs by row name. Raises RoomTampered for what nobody has packed: not all who ask have verified it."""
    fields, at = [], 0
    while at < len(packed):
        end = at + 4 + int.from_bytes(packed[at : at + 4], "big")
        fields.append(packed[at + 4 : end])
        at = end
    try:
        return {name.decode(): mac for name, mac in zip(fields[::2], fields[1::2], strict=True)}
    except ValueError:
        raise RoomTampered("meta 1: its list of rows is none that was ever written, someone changed it") from None


def spell(value: object) -> bytes:
    """A type byte and the value: n(othing), i(nteger, 8 bytes big-endian, two's complement), s(tring, UTF-8), b(ytes)."""
    match value:
        case None:
            return b"n"
        case int():
            return b"i" + value.to_bytes(8, "big", signed=True)
        case str():
            return b"s" + value.encode("utf-8", "surrogatepass")
        case bytes():
            return b"b" + value
        case _:
            # SQLite keeps whatever was put into a column; what we never write matches no MAC
            return b"?"
