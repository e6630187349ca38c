"""The sessions with one token: an anchor that holds the login, and others to work in, which are thrown away after any fault.

An operation may have stayed active in a session in which something failed, so it is not used again.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom.errors import ProviderUnavailable, StrongroomError, TokenFault
from strongroom.providers.pkcs11 import patience
from strongroom.providers.pkcs11.faults import Verdict, verdict
from strongroom.providers.pkcs11.login import called, chosen, log_in, serial_of
from strongroom.providers.pkcs11.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom.crypto import HsmSession
    from strongroom.providers.pkcs11.module import Module
    from strongroom.providers.pkcs11.objects import Handles
    from strongroom.providers.pkcs11.uri import TokenUri

Result = TypeVar("Result")


class LibrarySession:
    """A session of python-pkcs11, whose calls have a deadline, and are made in the module's state that it was opened in.

    In another its handle may be that of another session, in which a thread works that knows nothing of it.
    """

    def __init__(self, module: Module, generation: int, token: Any, *, read_write: bool) -> None:
        self._module = module
        self.generation = generation
        self._session = self._asked("C_OpenSession", lambda: token.open(rw=read_write))

    def ask(self, what: str, work: Callable[[Any], Result]) -> Result:
        """What `work` makes of the session. Raises TokenFault at the deadline, or once the state was ended."""
        return self._asked(what, lambda: work(self._session))

    def close(self) -> None:
        """Close it, if its state has not ended, which closed it."""
        try:
            self._asked("C_CloseSession", self._session.close)
        except TokenFault as error:
            if error.ckr != NOT_INITIALIZED:
                raise

    def _asked(self, what: str, work: Callable[[], Result]) -> Result:
        def in_this_state() -> Result:
            # looked at from inside: nobody ends the state until this is through
            if self._module.generation != self.generation:
                raise TokenFault("the module's state was ended meanwhile", "returned", NOT_INITIALIZED)
            return work()

        return self._module.ask(what, in_this_state)


class Sessions:
    """A login, and what lives as long as it does. Thread-safe."""

    def __init__(self, module: Module, uri: TokenUri) -> None:
        self.module = module
        self.uri = uri
        self.lock = threading.RLock()
        self.handles: dict[TokenUri, Handles] = {}
        """Of keys, good in all sessions. Used under the lock, after `ready`."""
        self._places = Turns(MOST_SESSIONS)
        self._generation = -1
        self._door = module.door
        self._token: Any = None
        self._anchor: HsmSession | None = None
        self._idle: list[HsmSession] = []

    @property
    def token(self) -> Any:
        """The token, as python-pkcs11 knows it. Good once somebody was logged in to it."""
        return self._token

    @property
    def serial(self) -> str | None:
        """The token's serial number."""
        return serial_of(self._token)

    def ready(self) -> None:
        """Be logged in, in the module's present state. Called under the lock."""
        # as one, and before all else: whoever ends the state meanwhile ends what is begun here
        generation, door = self.module.state
        if self._generation == generation and self._anchor is not None:
            return
        self._drop()
        self._token, self._door = chosen(self.module, self.uri), door
        anchor = self._opened()
        try:
            log_in(anchor, self._token, self.uri, self.module)
        except BaseException:
            anchor.abandon()
            raise
        self._anchor, self._generation = anchor, generation

    @contextmanager
    def one(self, keys: Handles) -> Iterator[HsmSession]:
        """A session for one thing to be done with these keys. It goes back only if nothing failed in it.

        Raises ProviderUnavailable where all are taken, and TokenFault where the keys have to be looked for again.
        """
        if not self._places.take(patience.TRYING):
            raise ProviderUnavailable(f"all sessions with the token {called(self.uri)} are taken")
        try:
            with self.lock:
                self.ready()
                generation = self._generation
                if keys.generation != generation:
                    raise TokenFault("the key was found in a state that was ended", "returned", NO_SUCH_OBJECT)
                session = self._idle.pop() if self._idle else self._opened()
            try:
                yield session
            except BaseException:
                # here, since the traceback may keep it for long
                session.abandon()
                raise
            with self.lock:
                if self._generation == generation:
                    self._idle.append(session)
                else:
                    session.abandon()
        finally:
            self._places.give_back()

    @contextmanager
    def library(self, *, read_write: bool = False) -> Iterator[LibrarySession]:
        """A session of python-pkcs11. It was opened without a PIN, so closing it logs nobody out."""
        with self.lock:
            self.ready()
            session = LibrarySession(self.module, self._generation, self._token, read_write=read_write)
        hangs = False
        try:
            yield session
        except TokenFault as error:
            hangs = verdict(error) is Verdict.LATE
            raise
        finally:
            # a call that hangs would hang its end as well
            if not hangs:
                session.close()

    def begin_anew(self) -> None:
        """End the module's state and begin it anew, unless somebody else has since we logged in."""
        with self.lock:
            seen = self._generation if self._anchor is not None else self.module.generation
            self._drop()
            self.module.renew(seen)

    def log_in_anew(self) -> None:
        """Log in again before anything else is done."""
        with self.lock:
            self._generation = -1

    def close(self) -> None:
        """Close every session of ours. The login ends with the last of this process."""
        with self.lock:
            sessions = self._let_go()
        for session in sessions:
            try:
                session.close(deadline=patience.CALL)
            except StrongroomError:
                # gone with its token, or with the process that it was opened in
                continue

    def _opened(self) -> HsmSession:
        return self._door.open_session(self._token.slot.slot_id, deadline=patience.CALL)

    def _drop(self) -> None:
        for session in self._let_go():
            session.abandon()

    def _let_go(self) -> list[HsmSession]:
        """Forget sessions and handles, which may mean nothing any more; the sessions, for whoever ends them, the anchor last."""
        sessions = [*self._idle, *([self._anchor] if self._anchor is not None else [])]
        self._idle, self._anchor, self._generation = [], None, -1
        self.handles.clear()
        return sessions


MOST_SESSIONS = 8
NO_SUCH_OBJECT, NOT_INITIALIZED = 0x082, 0x190
