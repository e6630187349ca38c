"""PKCS#11 modules in this process: one of each, initialised with locking, never unloaded, made anew in a forked child.

python-pkcs11 would initialise a module for a single thread and then call it from many, which crashes. So Rust initialises it,
with CKF_OS_LOCKING_OK: its crate has to load the module anyway, to wrap keys without Python, and another foreign-function
library would be a second way to do the same. python-pkcs11 gets the module that is loaded already.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from strongroom.crypto import HsmModule
from strongroom.errors import Misuse, ProviderUnavailable, RoomUnsafe, TokenFault
from strongroom.providers.pkcs11 import patience
from strongroom.providers.pkcs11.faults import Verdict, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")


class Module:
    """One module, and its state in this process, which may be ended and begun anew."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._patience = patience.Patience()
        self._lock = threading.Lock()
        self._state = (0, self._opened())
        self._library = self.ask("dlopen", self._loaded)

    @property
    def state(self) -> tuple[int, HsmModule]:
        """How often the state was ended, and Rust's side of the present one, as one: handles of an earlier one mean nothing."""
        return self._state

    @property
    def generation(self) -> int:
        """How often the state was ended."""
        return self._state[0]

    @property
    def door(self) -> HsmModule:
        """Rust's side of the present state."""
        return self._state[1]

    @property
    def idle(self) -> bool:
        """Whether no call is inside, not even one that was given up."""
        return self._patience.idle and self.door.idle

    def ask(self, what: str, work: Callable[[], Result]) -> Result:
        """Call into python-pkcs11, with a deadline."""
        return self._patience.within(what, work)

    def tokens(self) -> list[Any]:
        """Every token that is there."""

        def look() -> list[Any]:
            return [slot.get_token() for slot in self._library.get_slots(token_present=True)]

        return self.ask("C_GetTokenInfo", look)

    def renew(self, seen: int) -> None:
        """End the module's state and begin anew, unless another thread has since generation `seen`.

        Raises TokenFault while calls are inside: to end it under them would be undefined.
        """
        with self._lock:
            generation, door = self._state
            if generation != seen:
                return
            with self._patience.alone():
                try:
                    door.finalize(deadline=patience.CALL)
                except TokenFault as error:
                    # it is what shall be ended that may be broken
                    if verdict(error) is Verdict.LATE:
                        raise
                self._state = (generation + 1, self._opened())

    def _opened(self) -> HsmModule:
        return HsmModule(self.path, deadline=patience.CALL, reserved=reserved(self.path))

    def _loaded(self) -> Any:
        return library(self.path)


def module(path: str) -> Module:
    """The module at `path` in this process. Raises ProviderUnavailable, Misuse, RoomUnsafe."""
    real = os.path.realpath(path)
    with MODULES.lock:
        MODULES.check_process()
        if real not in MODULES.loaded:
            check_file(real)
            MODULES.loaded[real] = begun(real)
            if real in MODULES.inherited:
                # what the parent began is here as well, and is not ours
                MODULES.loaded[real].renew(0)
        return MODULES.loaded[real]


def install(path: str, stand_in: Module) -> None:
    """Put a module for tests in the place of the file at `path`, in this process."""
    with MODULES.lock:
        MODULES.check_process()
        MODULES.loaded[os.path.realpath(path)] = stand_in


def uninstall(path: str) -> None:
    """Take it out again."""
    with MODULES.lock:
        MODULES.loaded.pop(os.path.realpath(path), None)


def begun(path: str) -> Module:
    """A module that was not begun before. Raises ProviderUnavailable, which says what that may mean."""
    try:
        return Module(path)
    except TokenFault as error:
        raise ProviderUnavailable(
            f"the PKCS#11 module {path} does not begin: {error}. Is its configuration in place, and its token or network there?"
        ) from error


def settle() -> None:
    """Wait a moment until nobody is inside any module of this process."""
    end = time.monotonic() + SETTLING
    while time.monotonic() < end and not all(known.idle for known in MODULES.loaded.values()):
        time.sleep(0.001)


def check_file(path: str) -> None:
    """Raises ProviderUnavailable for a file that is not there, RoomUnsafe for one that anybody may replace."""
    try:
        status = Path(path).stat()
    except OSError as error:
        raise ProviderUnavailable(f"the PKCS#11 module {path} cannot be read: {error.strerror}") from None
    if status.st_mode & 0o002:
        raise RoomUnsafe(f"anybody may change {path}, which would be loaded as code: chmod o-w {path}")


def reserved(path: str) -> str | None:
    """What NSS's module has to be told when it is initialised, in the variable that later versions read themselves. Raises Misuse."""
    if Path(path).name != NSS:
        return None
    parameters = os.environ.get("NSS_LIB_PARAMS")
    if not parameters:
        raise Misuse("NSS's module wants the environment variable NSS_LIB_PARAMS, such as: configdir='sql:/DIRECTORY'")
    return parameters


def library(path: str) -> Any:
    """python-pkcs11's view of a module that is initialised already. Raises Misuse where python-pkcs11 is missing."""
    try:
        from pkcs11 import _pkcs11
    except ImportError:
        raise Misuse("tokens want python-pkcs11: pip install 'strongroom[hsm]'") from None
    # __init__ would initialise it, for a single thread
    return _pkcs11.lib.__new__(_pkcs11.lib, path)  # type: ignore[call-arg] # its `__cinit__` takes it


class Modules:
    """The modules of this process, and those of the process that it was forked from."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.process = os.getpid()
        self.loaded: dict[str, Module] = {}
        self.inherited: set[str] = set()
        # never freed, since python-pkcs11 would unload what threads may be inside of
        self.kept: list[Module] = []

    def check_process(self) -> None:
        """Begin anew in a forked child."""
        if self.process != os.getpid():
            self.process = os.getpid()
            self.inherited |= set(self.loaded)
            self.kept += self.loaded.values()
            self.loaded = {}


SETTLING = 1.0
NSS = "libsoftokn3.so"
MODULES = Modules()


def forget_lock() -> None:
    """In a forked child, a thread that is not there may hold the lock."""
    MODULES.lock = threading.Lock()


os.register_at_fork(after_in_child=forget_lock)
