"""A PostgreSQL server of our own, on a socket in a private directory, that can be stopped, paused and killed."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psycopg


class Server:
    """A server in `folder`, which belongs to the user that it runs as. Not running until it is started."""

    def __init__(self, folder: Path, data: Path | None = None, settings: tuple[str, ...] = ()) -> None:
        self.folder = folder
        self.data = data or folder / "data"
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None
        self._schemas = 0
        run(*as_user(), program("initdb"), "-D", str(self.data), "-U", "strongroom", "-A", "trust", "--no-sync")

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = [part for setting in ("listen_addresses=", *self._settings) for part in ("-c", setting)]
        command = [*as_user(), program("postgres"), "-D", str(self.data), "-k", str(self.folder), *options]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self.sql("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)
            else:
                return

    def stop(self) -> None:
        """Stop it; what is connected is cut off."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Kill it as a crash would."""
        for child in self.children():
            with_signal(child, signal.SIGKILL)
        self._end(signal.SIGKILL)
        (self.data / "postmaster.pid").unlink(missing_ok=True)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing of it runs meanwhile, and its sockets stay open."""
        assert self._process is not None
        # the parent first, else it would replace its children
        processes = [self._process.pid, *self.children()]
        for process in processes:
            with_signal(process, signal.SIGSTOP)
        try:
            yield
        finally:
            for process in processes:
                with_signal(process, signal.SIGCONT)

    def children(self) -> list[int]:
        """The processes of the server, but for the first."""
        assert self._process is not None
        listed = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text()
        return [int(process) for process in listed.split()]

    def new_url(self) -> str:
        """The URL of a new schema, and so of a new keystore."""
        self._schemas += 1
        self.sql(f"CREATE SCHEMA room_{self._schemas}")
        return self.url(f"room_{self._schemas}")

    def url(self, schema: str = "public") -> str:
        """The URL of a schema."""
        options = quote(f"-csearch_path={schema}", safe="")
        return f"postgresql://strongroom@/postgres?host={quote(str(self.folder), safe='')}&options={options}"

    def sql(self, statement: str, *parameters: object, url: str | None = None) -> list[tuple[object, ...]]:
        """Run a statement behind everybody's back."""
        with psycopg.connect(url or self.url(), autocommit=True, connect_timeout=2) as connection:
            cursor = connection.execute(statement.encode(), parameters or None)
            return cursor.fetchall() if cursor.description else []

    def _end(self, by: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(by)
            self._process.wait(PATIENCE)
            self._process = None


@contextmanager
def new_server(*settings: str, volatile: bool = True) -> Iterator[Server]:
    """A server that runs, and is gone at the end. A `volatile` one does not wait for its disk."""
    folder = Path(tempfile.mkdtemp(prefix="strongroom-pg-", dir="/tmp"))
    server = None
    try:
        give(folder)
        server = Server(folder, settings=(*settings, *(VOLATILE if volatile else ())))
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def give(folder: Path) -> None:
    """Let a folder belong to the user of the server: PostgreSQL refuses to be root."""
    if os.geteuid() == 0:
        user = pwd.getpwnam("nobody")
        os.chown(folder, user.pw_uid, user.pw_gid)


def as_user() -> list[str]:
    """The beginning of a command that runs as the user of the server, and ends with this process."""
    switch = ["--reuid=nobody", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []
    return ["setpriv", "--pdeathsig=INT", *switch, "--"]


def program(name: str) -> str:
    """A program of PostgreSQL, which Debian keeps out of PATH."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda place: int(place.parent.name), reverse=True)
    found = next((place / name for place in places if (place / name).exists()), None) or shutil.which(name)
    if found is None:
        raise RuntimeError(f"PostgreSQL's {name} is missing: tools/needs.sh tests")
    return str(found)


def run(*command: str) -> None:
    """Run a command that has to work."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    if done.returncode != 0:
        raise RuntimeError(f"{command[0]} failed: {done.stderr}")


def with_signal(process: int, number: signal.Signals) -> None:
    """Signal a process, if it is still there."""
    try:
        os.kill(process, number)
    except ProcessLookupError:
        pass


PATIENCE = 30
VOLATILE = ("fsync=off", "full_page_writes=off", "synchronous_commit=on")
