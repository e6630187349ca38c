"""Rows that somebody edits, deletes, swaps and inserts, and a whole database that is put back."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from strongroom.errors import StrongroomError
from strongroom.keystore.rowmac import RowMac

from torture.keystore.stands import KEYS, TABLES, Row, Stand
from torture.report import Report

Rows = dict[str, list[Row]]


@dataclass(frozen=True)
class Edit:
    """What was done, and the names of which at least one has to be said."""

    kind: str
    names: tuple[str, ...]


def edit_rows(stand: Stand, edits: int, dice: random.Random, report: Report) -> None:
    """So many edits of each kind of thing, and older databases put back."""
    sound = stand.rows()
    for _ in range(edits):
        attempt(stand, sound, dice, report)
    stand.put_back(sound)
    put_back_older(stand, sound, report)
    if wrong := stand.check().wrong:
        report.found.append(f"{stand.database}: sound again, and yet {wrong}")


def attempt(stand: Stand, sound: Rows, dice: random.Random, report: Report) -> None:
    """One edit, and whether it is named."""
    rows = {name: list(found) for name, found in sound.items()}
    edit = dice.choice(KINDS)(rows, dice)
    if rows == sound or not stand.put_back(rows):
        # a value that has no other, or a row that the database itself does not take
        return
    said = outcome(stand)
    report.count(f"{stand.database}: {edit.kind}")
    if not any(name in line for name in edit.names for line in said):
        report.found.append(f"{stand.database}: {edit.kind} {edit.names}: {said or 'nothing was wrong'}")


def outcome(stand: Stand) -> tuple[str, ...]:
    """What `keystore check` names."""
    try:
        return stand.check().wrong
    except StrongroomError as error:
        return (str(error),)
    except ValueError as error:
        # what nobody has verified need not be a state or a date
        return (f"{type(error).__name__} without a name",)


def put_back_older(stand: Stand, sound: Rows, report: Report) -> None:
    """A whole older state of the database: sound in itself, and known to this host as gone."""
    with stand.place.open() as room:
        room.keys.rotate(room.keys.list()[0].id, reason="a newer state")
    newer = stand.rows()
    stand.put_back(sound)
    report.count(f"{stand.database}: older put back")
    for said in (outcome(stand), opening(stand)):
        if not any("put back" in line for line in said):
            report.found.append(f"{stand.database}: an older database was put back, and what is said is {said}")
    stand.put_back(newer)


def opening(stand: Stand) -> tuple[str, ...]:
    """What opening the room says."""
    try:
        stand.place.open().close()
    except StrongroomError as error:
        return (str(error),)
    return ()


def edited(rows: Rows, dice: random.Random) -> Edit:
    """A value of a row."""
    table, at = somewhere(rows, dice)
    column = dice.randrange(len(TABLES[table]))
    row = list(rows[table][at])
    before = name_of(table, rows[table][at])
    row[column] = another(row[column], dice)
    rows[table][at] = tuple(row)
    # of another format or room, a keystore is refused as a whole
    whole = ("the keystore",) if table == "meta" else ()
    names = (before, name_of(table, rows[table][at]), version_of(table, row), *whole)
    return Edit(f"{table} edited", names)


def deleted(rows: Rows, dice: random.Random) -> Edit:
    """A row."""
    table, at = somewhere(rows, dice)
    row = rows[table].pop(at)
    if table == "key_history":
        # the chain ends where the next row should follow on this one
        return Edit("key_history deleted", (name_of(table, row), version_of(table, row)))
    return Edit(f"{table} deleted", ("meta",) if table == "meta" else (name_of(table, row),))


def swapped(rows: Rows, dice: random.Random) -> Edit:
    """Two rows exchange all but their names."""
    table = dice.choice([name for name, found in rows.items() if len(found) > 1])
    one, two = dice.sample(range(len(rows[table])), 2)
    keys = len(KEYS[table])
    first, second = rows[table][one], rows[table][two]
    rows[table][one] = (*first[:keys], *second[keys:])
    rows[table][two] = (*second[:keys], *first[keys:])
    return Edit(f"{table} swapped", (name_of(table, first), name_of(table, second)))


def inserted(rows: Rows, dice: random.Random) -> Edit:
    """A copy of a row under another name."""
    table, at = somewhere(rows, dice)
    row = list(rows[table][at])
    row[len(KEYS[table]) - 1] = another(row[len(KEYS[table]) - 1], dice)
    copy = tuple(row)
    if copy in rows[table] or table == "meta":
        copy = (2, *copy[1:]) if table == "meta" else copy
    rows[table].append(copy)
    return Edit(f"{table} inserted", ("meta",) if table == "meta" else (name_of(table, copy), version_of(table, copy)))


def somewhere(rows: Rows, dice: random.Random) -> tuple[str, int]:
    """A table that has rows, and one of them."""
    table = dice.choice([name for name, found in rows.items() if found])
    return table, dice.randrange(len(rows[table]))


def another(value: object, dice: random.Random) -> object:
    """A value of the same type that is another one."""
    match value:
        case int():
            return value + dice.choice((1, 2, 1000))
        case str():
            return f"{value[:-1]}{'f' if value[-1:] != 'f' else 'e'}"
        case bytes() if value:
            at = dice.randrange(len(value))
            return value[:at] + bytes([value[at] ^ 1 << dice.randrange(8)]) + value[at + 1 :]
        case bytes():
            return b"\0"
        case _:
            return None


def name_of(table: str, row: Row | list[object]) -> str:
    """A row as errors name it."""
    return f"{table} " + "/".join(str(part) for part in row[: len(KEYS[table])])


def version_of(table: str, row: Row | list[object]) -> str:
    """The version whose history or counter a row belongs to."""
    return f"{row[0]}/{row[1]}" if table in {"key_history", "wrap_counters", "key_versions"} else name_of(table, row)


def control_edits(stand: Stand, dice: random.Random, report: Report) -> None:
    """A check that takes every MAC for right has to be found out."""
    careful = RowMac._matches
    vars_of: Callable[..., bool] = lambda *_: True  # noqa: E731
    trial = Report("control", "none")
    sound = stand.rows()
    try:
        RowMac._matches = vars_of  # type: ignore[method-assign]
        for _ in range(CONTROLS):
            attempt(stand, sound, dice, trial)
    finally:
        RowMac._matches = careful  # type: ignore[method-assign]
        stand.put_back(sound)
    report.controls[f"{stand.database}: a check that takes every MAC for right"] = bool(trial.found)


KINDS = (edited, edited, deleted, swapped, inserted)
CONTROLS = 20
