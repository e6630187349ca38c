"""A token that is not there: what a PKCS#11 module and python-pkcs11 would do, in Python, with faults as they are asked for.

It stands below the provider, not in its place: sessions, logins, retries, deadlines and verdicts are those of the real one. Keys lie
in locked memory of this process. It protects nothing, and is only for tests.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from strongroom.errors import Misuse, TokenFault
from strongroom.providers.pkcs11.module import Module, install, uninstall
from strongroom.testing.token import FakeLibrary, FakeToken

if TYPE_CHECKING:
    from types import TracebackType

    from strongroom.testing.session import FakeDoor


class FakeHsm:
    """A token of its own, to be used in `with`: until the end its `uri` names a key that can be made in it.

    It is in this process alone: commands and children that are forked or spawned find no module. `scheme` is by which its keys wrap:
    `aes-gcm`, or `aes-cbc-hmac-sha256` as of a token without AES-GCM. Wants the extra `hsm`. Thread-safe.
    """

    def __init__(self, *, scheme: str = "aes-gcm") -> None:
        if scheme not in {"aes-gcm", "aes-cbc-hmac-sha256"}:
            raise Misuse(f"{scheme!r} is no scheme")
        self.scheme = scheme
        self.calls: Counter[str] = Counter()
        """How often each C function was called."""
        self._lock = threading.Lock()
        self._faults: dict[str, list[int]] = {}
        self._pauses: dict[str, float] = {}
        self._is_gone = False
        self._folder = tempfile.TemporaryDirectory(prefix="strongroom-fake-hsm-")
        self.token = FakeToken(self, f"fake-{secrets.token_hex(4)}")

    @property
    def uri(self) -> str:
        """The URI of a key named `root` in it, for `strongroom.init(root=…)`, `testing.room(root=…)` and whatever else takes one."""
        place = Path(self._folder.name)
        return f"pkcs11:token={self.token.label};object=root?module-path={place}/module&pin-source=file:{place}/pin"

    @property
    def pin_file(self) -> Path:
        """The file that its PIN is read from; write another one into it to give a wrong PIN."""
        return Path(self._folder.name) / "pin"

    def fail(self, call: str, code: int, *, times: int | None = None) -> None:
        """Let a C function, such as `C_Decrypt`, return `code` so often, or until `heal`."""
        with self._lock:
            self._faults[call] = [code, -1 if times is None else times]

    def hang(self, call: str, *, seconds: float) -> None:
        """Let a C function take so many seconds longer, until `heal`."""
        with self._lock:
            self._pauses[call] = seconds

    def heal(self) -> None:
        """Forget every fault and pause."""
        with self._lock:
            self._faults.clear()
            self._pauses.clear()

    def gone(self) -> None:
        """Be taken out, until `back`."""
        self._is_gone = True

    def back(self) -> None:
        """Be there again, with the same keys; whoever was logged in has to log in again."""
        self.token.forget_sessions()
        self._is_gone = False

    def empty(self) -> None:
        """Lose every key."""
        self.token.objects.clear()

    def call(self, name: str, deadline: float | None = None) -> None:
        """One C function. Raises TokenFault where it fails, and where it would not return by the deadline."""
        with self._lock:
            self.calls[name] += 1
            pause = self._pauses.get(name, 0.0)
            code = self._due(name)
        if deadline is not None and pause > deadline:
            time.sleep(deadline)
            raise TokenFault(f"{name} did not return in time", "late")
        time.sleep(pause)
        if code is not None:
            raise refusal(name, code)
        if self._is_gone and name not in {"C_Initialize", "C_Finalize", "C_GetSlotList"}:
            raise refusal(name, TOKEN_NOT_PRESENT)

    @property
    def is_there(self) -> bool:
        """Whether it is not gone."""
        return not self._is_gone

    def __enter__(self) -> Self:
        place = Path(self._folder.name)
        (place / "module").touch(mode=0o600)
        self.pin_file.touch(mode=0o600)
        self.pin_file.write_bytes(b"1234\n")
        install(str(place / "module"), FakeModule(str(place / "module"), self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        uninstall(str(Path(self._folder.name) / "module"))
        self._folder.cleanup()

    def __repr__(self) -> str:
        return f"<FakeHsm {self.token.label}>"

    def _due(self, name: str) -> int | None:
        code, times = self._faults.get(name, (None, 0))
        if code is None or times == 0:
            return None
        self._faults[name][1] = times - 1
        return code


class FakeModule(Module):
    """What the provider takes for the module."""

    def __init__(self, path: str, hsm: FakeHsm) -> None:
        self._hsm = hsm
        super().__init__(path)

    def _opened(self) -> Any:
        from strongroom.testing.session import FakeDoor

        door: FakeDoor = FakeDoor(self._hsm)
        return door

    def _loaded(self) -> Any:
        return FakeLibrary(self._hsm.token)


def refusal(name: str, code: int) -> TokenFault:
    """What Rust would raise for a code."""
    return TokenFault(f"{name} returned {code:#x}", "returned", code)


TOKEN_NOT_PRESENT = 0xE0
