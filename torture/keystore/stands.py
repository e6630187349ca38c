"""A room whose keystore is on one database or the other, and ways past it to the rows."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import strongroom
from psycopg import sql
from strongroom.keystore.tables import METADATA

from torture.place import Place, new_place
from torture.postgres import Server

if TYPE_CHECKING:
    from strongroom.keystore import Findings

Row = tuple[object, ...]
TABLES = {table.name: [column.name for column in table.columns] for table in METADATA.sorted_tables}
KEYS = {table.name: [column.name for column in table.primary_key.columns] for table in METADATA.sorted_tables}


@dataclass(frozen=True)
class Stand:
    """A room, the database that it began with, and the server, which it may move to."""

    place: Place
    database: str
    server: Server
    url: str

    @property
    def file(self) -> Path:
        """The keystore, if it is in the room."""
        return self.place.room / "keystore.db"

    def is_remote(self) -> bool:
        """Whether `room.json` says that the keystore is on the server."""
        return "keystore" in json.loads((self.place.room / "room.json").read_text())

    def check(self) -> Findings:
        """`strongroom keystore check`."""
        return strongroom.upkeep(self.place.room, key_file=self.place.key).check()

    def rows(self) -> dict[str, list[Row]]:
        """Every row of every table."""
        return {
            name: self.ask(f"SELECT {', '.join(map(quoted, columns))} FROM {name}") for name, columns in TABLES.items()
        }

    def put_back(self, rows: dict[str, list[Row]]) -> bool:
        """Make the tables hold these rows and no others. False if the database refuses them, and nothing was done."""
        try:
            with self._connection() as run:
                for name in reversed(TABLES):
                    run(f"DELETE FROM {name}", ())
                for name, found in rows.items():
                    for row in found:
                        run(f"INSERT INTO {name} VALUES ({', '.join(['?'] * len(row))})", row)
        except (sqlite3.IntegrityError, psycopg.IntegrityError):
            return False
        return True

    def ask(self, statement: str, *values: object) -> list[Row]:
        """Run a statement behind the room's back."""
        with self._connection() as run:
            return run(statement, values)

    @contextmanager
    def _connection(self) -> Iterator[Callable[[str, Row], list[Row]]]:
        """A transaction, and how to run a statement in it."""
        if self.is_remote():
            with psycopg.connect(self.url) as remote:

                def run(statement: str, values: Row) -> list[Row]:
                    cursor = remote.execute(sql.SQL(statement.replace("?", "%s")), values or None)
                    return cursor.fetchall() if cursor.description else []

                yield run
            return
        with closing(sqlite3.connect(self.file)) as local, local:
            yield lambda statement, values: local.execute(statement, values).fetchall()


@contextmanager
def new_stand(parent: Path | None, server: Server, *, database: str) -> Iterator[Stand]:
    """A room on `database`, with two classes, a rotated key, a census and a message, gone at the end."""
    with new_place(parent, with_room=False) as place:
        stand = Stand(place, database, server, server.new_url())
        url = stand.url if database == "postgres" else None
        strongroom.init(place.room, make_key_file=place.key, keystore=url)
        with place.open() as room:
            room.classes.create("pii", reason="a second class")
            room.keys.rotate(room.keys.list()[0].id, reason="a second version")
            room.encrypt(b"so that a wrap is counted")
        yield stand


def quoted(name: str) -> str:
    """A name as both databases take it."""
    return f'"{name}"'
