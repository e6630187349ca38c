"""Connections to SQLite: private to one process, durable, one writer at a time, and answering in bounded time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from strongroom.errors import KeystoreUnavailable, KeyUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class Database:
    """The database file at `path`, which must exist. Not to be used in a forked child."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process = os.getpid()
        self._engine = make_engine(path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only writing transaction there is, durable when it ends without an exception."""
        with self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        if self._process == os.getpid():
            self._engine.dispose()
        else:
            self._abandon()

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Connection]:
        if self._process != os.getpid():
            self._abandon()
            raise KeyUnavailable("this room was opened before a fork: open it again in the child")
        try:
            with self._engine.connect() as connection:
                # SQLAlchemy's own begin would come first and be deferred; see the listener below
                connection.execution_options(strongroom_begin=begin)
                with connection.begin():
                    yield connection
        except SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise KeystoreUnavailable(f"the keystore {self._path} does not answer: {cause}") from error

    def _abandon(self) -> None:
        """Leave the parent's connections alone: closing one here would roll back what the parent has begun."""
        ABANDONED.append(self._engine.pool)
        self._engine.dispose(close=False)


def make_engine(path: Path) -> Engine:
    """An engine whose connections follow DESIGN: rollback journal unless WAL is safe, every commit on the disk."""
    uri = f"{path.absolute().as_uri()}?mode=rw"

    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False)
        for pragma in PRAGMAS:
            connection.execute(pragma)
        return connection

    engine = create_engine(
        "sqlite://", creator=connect, poolclass=QueuePool, pool_timeout=BUSY_SECONDS, hide_parameters=True
    )

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(connection.get_execution_options().get("strongroom_begin", "BEGIN"))

    return engine


BUSY_SECONDS = 10
# https://sqlite.org/wal.html: WAL could corrupt a database before 3.51.3
JOURNAL = "WAL" if sqlite3.sqlite_version_info >= (3, 51, 3) else "DELETE"
PRAGMAS = (
    f"PRAGMA journal_mode={JOURNAL}",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA trusted_schema=OFF",
)
ABANDONED: list[object] = []
