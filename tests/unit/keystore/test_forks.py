"""Forks of a process that is in the keystore: they wait, the child's own connections work, and the parent's are left alone."""

import os
import sqlite3
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from strongroom.errors import KeystoreUnavailable, KeyUnavailable
from strongroom.keystore import engine, forks
from strongroom.keystore.engine import Database
from strongroom.keystore.forks import ForkGate


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return new_database(tmp_path / "one.db")


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path)
    yield database
    database.close()


def test_a_fork_waits_for_the_transactions_of_other_threads(database: Database, path: Path) -> None:
    with elsewhere(database, seconds=0.3):
        assert in_child(lambda: put(path)) == "written"
    assert count(path) == 2


def test_without_the_gate_a_child_believes_in_its_parents_locks(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "GATE", ForkGate())
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.5)
    database = Database(path)
    with elsewhere(database, seconds=0.3):
        assert "database is locked" in in_child(lambda: put(path))
    database.close()


def test_a_fork_waits_for_every_database(database: Database, path: Path, tmp_path: Path) -> None:
    other = new_database(tmp_path / "other.db")
    second = Database(other)
    with elsewhere(database, seconds=0.2), elsewhere(second, seconds=0.4):
        assert in_child(lambda: put(path) + put(other)) == "writtenwritten"
    second.close()


def test_threads_that_never_rest_do_not_hold_up_a_fork(database: Database, path: Path) -> None:
    with busy(database, threads=4):
        started = time.monotonic()
        said = [in_child(lambda: put(path)) for _ in range(10)]
        taken = time.monotonic() - started
    assert said == ["written"] * 10
    assert taken < forks.PATIENCE


def test_no_connection_is_open_in_a_child(database: Database, path: Path) -> None:
    with database.reading():
        pass
    assert open_files(path) == 1
    assert in_child(lambda: str(open_files(path))) == "0"
    with database.reading():
        pass


def test_a_child_forks_again(database: Database, path: Path) -> None:
    def child() -> str:
        own = Database(path)
        with elsewhere(own, seconds=0.2):
            return in_child(lambda: put(path))

    with elsewhere(database, seconds=0.2):
        assert in_child(child) == "written"


def test_a_fork_inside_a_transaction_of_its_own_leaves_that_to_the_parent(database: Database, path: Path) -> None:
    def child() -> str:
        with pytest.raises(SQLAlchemyError, match="forked from"):
            connection.execute(text("INSERT INTO t VALUES ('child')"))
        started = time.monotonic()
        with pytest.raises(KeystoreUnavailable, match="spawn"):
            put(path)
        assert time.monotonic() - started < 1
        return "refused"

    with database.writing() as connection:
        connection.execute(text("INSERT INTO t VALUES ('before')"))
        assert in_child(child) == "refused"
        connection.execute(text("INSERT INTO t VALUES ('after')"))
    assert count(path) == 3


@pytest.mark.parametrize("ending", [None, ValueError])
def test_a_child_that_leaves_the_transaction_ends_nothing(
    database: Database, path: Path, ending: type[ValueError] | None
) -> None:
    journal = Path(f"{path}-journal")
    child, said = -1, 0
    try:
        with database.writing() as connection:
            connection.execute(text("INSERT INTO t VALUES ('parent')"))
            assert journal.exists() == (engine.JOURNAL == "DELETE")
            child = quiet_fork()
            if child == 0 and ending is not None:
                raise ending
            said = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) if child else 0
            assert journal.exists() == (engine.JOURNAL == "DELETE")
    except BaseException as error:
        if child == 0:
            os._exit(7 if isinstance(error, ending or KeyUnavailable) else 1)
        raise
    if child == 0:
        os._exit(2)
    assert said == 7
    assert count(path) == 2


def test_a_fork_does_not_wait_for_ever(database: Database, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forks, "PATIENCE", 0.2)
    with elsewhere(database, seconds=1.5):
        started = time.monotonic()
        assert "start processes by `spawn`" in in_child(lambda: put(path))
        assert time.monotonic() - started < 1
    assert put(path) == "written"
    assert in_child(lambda: put(path)) == "written"


def test_what_interrupts_a_transaction_may_use_another_database_while_a_fork_waits(
    database: Database, path: Path, tmp_path: Path
) -> None:
    other = new_database(tmp_path / "other.db")
    said: list[str] = []
    forker = threading.Thread(target=lambda: said.append(in_child(lambda: put(path))))
    with database.writing():
        forker.start()
        time.sleep(0.2)
        assert said == []
        # as a signal handler would
        assert put(other) == "written"
    forker.join()
    assert said == ["written"]


def new_database(path: Path) -> Path:
    """A database with a table of one row."""
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE t (x TEXT)")
        connection.execute("INSERT INTO t VALUES ('first')")
    connection.close()
    return path


def put(path: Path) -> str:
    """Write a row through a connection of this process's own."""
    database = Database(path)
    try:
        with database.writing() as connection:
            connection.execute(text("INSERT INTO t VALUES ('put')"))
    finally:
        database.close()
    return "written"


def count(path: Path) -> int:
    """The rows of a database that is whole."""
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    (rows,) = connection.execute("SELECT count(*) FROM t").fetchone()
    connection.close()
    return int(rows)


def open_files(path: Path) -> int:
    """How many descriptors of this process lead to `path`."""
    return [os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()].count(str(path))


@contextmanager
def elsewhere(database: Database, seconds: float) -> Iterator[None]:
    """Another thread is writing, and leaves after some time."""
    begun = threading.Event()

    def write() -> None:
        with database.writing():
            begun.set()
            time.sleep(seconds)

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    yield
    thread.join()


@contextmanager
def busy(database: Database, threads: int) -> Iterator[None]:
    """Threads that are nearly always in the database."""
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            with database.reading():
                time.sleep(0.02)

    running = [threading.Thread(target=read) for _ in range(threads)]
    for thread in running:
        thread.start()
    yield
    stop.set()
    for thread in running:
        thread.join()


def in_child(work: Callable[[], str]) -> str:
    """What `work` gives in a forked child, or the message of what it raises there."""
    reader, writer = os.pipe()
    child = quiet_fork()
    if child == 0:
        try:
            said = work()
        except BaseException as error:  # noqa: BLE001 - a child must not go on as a second pytest
            said = f"{type(error).__name__}: {error}"
        os.write(writer, said.encode())
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        content = pipe.read()
    os.waitpid(child, 0)
    return content.decode()


def quiet_fork() -> int:
    """A fork without the warning of Python 3.12 that there are threads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()
