"""Connections to a database: private to one process, durable, one writer at a time, and answering in bounded time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from strongroom.errors import KeystoreUnavailable, KeyUnavailable
from strongroom.keystore.forks import GATE, OwnConnection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

# a file of SQLite, or the URL of a PostgreSQL database
Place = Path | str


class Backend(Protocol):
    """What differs from database to database."""

    @property
    def reading(self) -> Sequence[str]:
        """How a transaction begins that sees one state of the database."""

    @property
    def writing(self) -> Sequence[str]:
        """How one begins that nobody else writes beside."""

    def make_engine(self) -> Engine:
        """An engine with connections as DESIGN wants them."""

    def patience(self) -> AbstractContextManager[Callable[[], bool]]:
        """Within it, this thread waits for the database so long and no longer. Gives what says whether that is over."""


class Database:
    """The database at `place`, which must exist. Not to be used in a forked child."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._process = os.getpid()
        self._backend = backend_of(place)
        self._engine = self._backend.make_engine()
        GATE.watch(self._engine)

        @event.listens_for(self._engine, "begin")
        def begin(connection: Connection) -> None:
            # SQLAlchemy's own begin would come later, and be another one
            for statement in connection.get_execution_options()["strongroom_begin"]:
                connection.exec_driver_sql(statement)

    @property
    def is_file(self) -> bool:
        """Whether it is a file of SQLite."""
        return isinstance(self._place, Path)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database."""
        with self._transaction(self._backend.reading) as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The only writing transaction there is, durable when it ends without an exception."""
        with self._transaction(self._backend.writing) as connection:
            yield connection

    def close(self) -> None:
        """Close all connections."""
        if self._process == os.getpid():
            with GATE.inside():
                self._engine.dispose()
        else:
            self._abandon()

    @contextmanager
    def _transaction(self, begin: Sequence[str]) -> Iterator[Connection]:
        self._check_process()
        GATE.check()
        try:
            with (
                GATE.inside(),
                self._backend.patience() as is_over,
                self._begun(begin, is_over) as connection,
                connection.get_transaction() or nullcontext(),
            ):
                yield connection
        except UnicodeDecodeError as error:
            # sqlite3 cannot decode its own message where that quotes what is broken
            raise KeystoreUnavailable(f"the keystore {self._place} does not answer: it is damaged") from error
        except SQLAlchemyError as error:
            self._check_process()
            cause = getattr(error, "orig", None) or error
            raise KeystoreUnavailable(f"the keystore {self._place} does not answer: {cause}") from error

    def _begun(self, begin: Sequence[str], is_over: Callable[[], bool]) -> Connection:
        """A connection inside a transaction. One that the database has closed meanwhile is replaced, once."""
        try:
            return self._begin(begin)
        except DBAPIError as error:
            if not error.connection_invalidated or is_over():
                raise
            return self._begin(begin)

    def _begin(self, begin: Sequence[str]) -> Connection:
        writes = begin is self._backend.writing
        connection = self._engine.connect().execution_options(strongroom_begin=begin, strongroom_writes=writes)
        try:
            connection.begin()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_process(self) -> None:
        if self._process != os.getpid():
            self._abandon()
            raise KeyUnavailable("this room was opened before a fork: open it again in the child")

    def _abandon(self) -> None:
        """Leave the parent's connections alone: closing one here would roll back what the parent has begun."""
        ABANDONED.append(self._engine.pool)
        self._engine.dispose(close=False)


class Sqlite:
    """A file: rollback journal unless WAL is safe, every commit on the disk."""

    reading = ("BEGIN",)
    writing = ("BEGIN IMMEDIATE",)

    def __init__(self, path: Path) -> None:
        self._uri = f"{path.absolute().as_uri()}?mode=rw"

    def make_engine(self) -> Engine:
        """See Backend."""
        return create_engine(
            "sqlite://", creator=self._connect, poolclass=QueuePool, pool_timeout=BUSY_SECONDS, hide_parameters=True
        )

    def patience(self) -> AbstractContextManager[Callable[[], bool]]:
        """See Backend. SQLite itself gives up after BUSY_SECONDS."""
        return nullcontext(lambda: False)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._uri,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=OwnConnection,
            uri=True,
        )
        for pragma in PRAGMAS:
            connection.execute(pragma)
        return connection


def backend_of(place: Place) -> Backend:
    """How to talk to the database at `place`."""
    if isinstance(place, Path):
        return Sqlite(place)
    from strongroom.keystore.postgres import Postgres

    return Postgres(place)


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
