"""PostgreSQL: a keystore for several machines. psycopg is imported here and nowhere else.

Every wait ends: connecting, waiting for another writer and each statement have limits of their own, which the server keeps. A
server that is stopped keeps none, so an alarm shuts the socket down when the whole transaction has taken too long.
"""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import QueuePool

from strongroom.errors import KeystoreUnavailable, Misuse

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from psycopg import Connection


class Postgres:
    """The database that `url` names, in the form that libpq takes, without a password."""

    reading = ("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",)
    # the lock is on the room's schema, so that there need not be a table yet; what it waited for is visible after it
    writing = (
        "BEGIN ISOLATION LEVEL READ COMMITTED",
        "SELECT pg_advisory_xact_lock(hashtextextended('strongroom ' || current_schema(), 0))",
    )

    def __init__(self, url: str) -> None:
        check_url(url)
        self._url = url
        self._own = Own()

    def make_engine(self) -> Engine:
        """See Backend."""
        engine = create_engine(
            "postgresql+psycopg://",
            creator=self._connect,
            poolclass=QueuePool,
            pool_timeout=WHOLE_SECONDS,
            hide_parameters=True,
            use_native_hstore=False,
        )

        @event.listens_for(engine, "checkout")
        def checkout(connection: Connection, *_: object) -> None:
            self._own.alarm.watch(connection)

        return engine

    @contextmanager
    def patience(self) -> Iterator[Callable[[], bool]]:
        """See Backend."""
        before, alarm = self._own.alarm, Alarm()
        self._own.alarm = alarm
        try:
            yield lambda: alarm.rung
        except SQLAlchemyError as error:
            if alarm.rung:
                raise KeystoreUnavailable(
                    f"the keystore {self._url} has not answered within {WHOLE_SECONDS} seconds"
                ) from error
            raise
        finally:
            alarm.stop()
            self._own.alarm = before

    def _connect(self) -> Connection:
        psycopg = load()
        connection: Connection = psycopg.connect(**parameters(self._url, psycopg))
        self._own.alarm.watch(connection)
        try:
            connection.execute(SETTINGS)
        except BaseException:
            connection.close()
            raise
        return connection


class Alarm:
    """Shuts the sockets that it watches once its time is over. The thread that waits for them hears of it at once."""

    def __init__(self, seconds: float | None = None) -> None:
        self.rung = False
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._timer = threading.Timer(WHOLE_SECONDS if seconds is None else seconds, self._ring)
        self._timer.daemon = True
        self._timer.start()

    def watch(self, connection: Connection) -> None:
        """Watch the socket of a connection as well."""
        # a descriptor of our own: that of the connection may be closed, and be another file's by then
        duplicate = socket.socket(fileno=os.dup(connection.fileno()))
        with self._lock:
            self._sockets.append(duplicate)
            if self.rung:
                hang_up(duplicate)

    def stop(self) -> None:
        """Let the sockets be."""
        self._timer.cancel()
        with self._lock:
            for duplicate in self._sockets:
                duplicate.close()
            self._sockets.clear()

    def _ring(self) -> None:
        with self._lock:
            self.rung = True
            for duplicate in self._sockets:
                hang_up(duplicate)


class Own(threading.local):
    """The alarm of this thread's transaction."""

    alarm: Any = None


def hang_up(connection: socket.socket) -> None:
    """End a connection for both sides."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


def check_url(url: str) -> None:
    """Raises Misuse unless `url` names a PostgreSQL database, without a password, and safe on the way there."""
    # the URL stands in room.json, in the arguments of a process, in logs
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"}:
        raise Misuse("a keystore is at postgresql://…, or in the room itself")
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or given.keys() & {"password", "sslpassword"}:
        raise Misuse("no passwords in the URL of a keystore: put it into ~/.pgpass, or a service file of libpq")
    if given.get("sslmode", VERIFIED) != VERIFIED and not is_local(hosts(parts.netloc, given)):
        raise Misuse(f"sslmode={given['sslmode']} does not show who answers: over a network it has to be {VERIFIED}")


def hosts(netloc: str, given: Mapping[str, str]) -> list[str]:
    """Every host and address that a URL names."""
    names = [*netloc.rpartition("@")[2].split(","), *given.get("host", "").split(",")]
    found = [*(without_port(name) for name in names), *given.get("hostaddr", "").split(",")]
    return [name for name in found if name]


def without_port(name: str) -> str:
    """The host in `host:port`, which may be an IPv6 address in brackets."""
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.partition(":")[0]


def is_local(names: list[str]) -> bool:
    """Whether all of these are this machine itself: sockets in the file system, and loopback. None named is not."""
    return bool(names) and all(is_loopback(name) for name in names)


def is_loopback(name: str) -> bool:
    """Whether a host cannot be another machine."""
    if name == "localhost" or name.startswith(("/", "%2F", "%2f")):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def parameters(url: str, psycopg: Any) -> dict[str, Any]:
    """What libpq is told: the URL, and what it does not say. Sockets in the file system have no TLS and ignore its mode."""
    parts = urlsplit(url)
    given = dict(parse_qsl(parts.query, keep_blank_values=True))
    said: dict[str, Any] = psycopg.conninfo.conninfo_to_dict(url)
    if not is_local(hosts(parts.netloc, given)):
        said.setdefault("sslmode", VERIFIED)
    said.setdefault("application_name", "strongroom")
    return {**said, "connect_timeout": CONNECT_SECONDS, "autocommit": True, "prepare_threshold": None}


def load() -> Any:
    """The driver. Raises KeystoreUnavailable where it is not installed."""
    try:
        import psycopg
        import psycopg.conninfo
    except ImportError as error:
        raise KeystoreUnavailable(
            f"a keystore on PostgreSQL needs psycopg ({error}): pip install 'strongroom[postgres]'"
        ) from error
    return psycopg


VERIFIED = "verify-full"
CONNECT_SECONDS = 5
LOCK_SECONDS = 10
STATEMENT_SECONDS = 12
# a writer that is stopped inside a transaction keeps the others out no longer
IDLE_SECONDS = 30
WHOLE_SECONDS = 15
SETTINGS = f"""
SET lock_timeout = '{LOCK_SECONDS}s';
SET statement_timeout = '{STATEMENT_SECONDS}s';
SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s';
SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') IN ('off', 'local')
"""
