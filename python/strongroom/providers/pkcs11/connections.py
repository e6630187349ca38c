"""Who is connected to which token in this process. Rooms that use one token share the login, and so its one PIN."""

from __future__ import annotations

import atexit
import os
import threading
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from strongroom.providers.pkcs11.connection import Connection
from strongroom.providers.pkcs11.module import module, settle

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.providers.pkcs11.uri import TokenUri


@dataclass(slots=True)
class Shared:
    """A connection, and how many use it."""

    connection: Connection
    users: int = 0


class Connections:
    """The connections of this process; in a forked child there are none."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process = os.getpid()
        self.shared: dict[TokenUri, Shared] = {}

    def take(self, uri: TokenUri) -> Connection:
        """A connection to the token of `uri`, to be given back."""
        uri.check_module()
        where = token_of(uri)
        with self.lock:
            if self.process != os.getpid():
                self.process, self.shared = os.getpid(), {}
            if where not in self.shared:
                self.shared[where] = Shared(Connection(module(str(uri.module_path)), where))
            self.shared[where].users += 1
            return self.shared[where].connection

    def give_back(self, uri: TokenUri) -> None:
        """The last to give it back ends the login."""
        where = token_of(uri)
        with self.lock:
            shared = self.shared.get(where) if self.process == os.getpid() else None
            if shared is None:
                return
            shared.users -= 1
            if shared.users:
                return
            del self.shared[where]
        shared.connection.close()


def token_of(uri: TokenUri) -> TokenUri:
    """The URI of the token alone."""
    return replace(uri, object=None, id=None)


@contextmanager
def connected(uri: TokenUri) -> Iterator[Connection]:
    """A connection to the token of `uri`, until the end."""
    connection = CONNECTIONS.take(uri)
    try:
        yield connection
    finally:
        CONNECTIONS.give_back(uri)


def close_all() -> None:
    """Close every session before the interpreter ends: a module's own end must not come while a thread is inside it."""
    if CONNECTIONS.process != os.getpid():
        return
    for shared in list(CONNECTIONS.shared.values()):
        shared.connection.close()
    settle()


CONNECTIONS = Connections()
atexit.register(close_all)


def forget_lock() -> None:
    """In a forked child, a thread that is not there may hold the lock."""
    CONNECTIONS.lock = threading.Lock()


os.register_at_fork(after_in_child=forget_lock)
