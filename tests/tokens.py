"""Tokens for tests: SoftHSM's and opencryptoki's, and a module between that does what a file of rules says."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from strongroom.home import Unlock, init_room, open_room

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.keyservice import EmbeddedKeyService

ROOT = Path(__file__).parents[1]
SOFTHSM = "/usr/lib/softhsm/libsofthsm2.so"
OPENCRYPTOKI = next(
    iter(map(str, Path("/usr/lib").glob("*/pkcs11/libopencryptoki.so"))), "/usr/lib/pkcs11/libopencryptoki.so"
)
LABEL = "strongroom-test"
PIN, SO_PIN = "1234", "12345678"


@dataclass(frozen=True)
class Token:
    """A token that is initialised, and a file with its PIN."""

    label: str
    module: str
    pin_file: Path
    names: set[str] = field(default_factory=set)

    def uri(self, name: str = "root", module: str | None = None) -> str:
        """The URI of a key in it."""
        self.names.add(name)
        where = f"module-path={module or self.module}&pin-source=file:{self.pin_file}"
        return f"pkcs11:token={self.label};object={name}?{where}"


@dataclass(frozen=True)
class SoftHsm:
    """SoftHSM's tokens of this run, in a directory of their own."""

    directory: Path

    @property
    def tokens(self) -> Path:
        return self.directory / "tokens"

    def new_token(self, label: str, pin: str = PIN) -> Token:
        run("softhsm2-util", "--init-token", "--free", "--label", label, "--so-pin", SO_PIN, "--pin", pin)
        return Token(label, SOFTHSM, pin_file(self.directory / f"{label}.pin", pin))


@dataclass(frozen=True)
class Proxy:
    """A module between SoftHSM and its caller."""

    module: str
    rules: Path
    log: Path

    def does(self, *rules: str) -> None:
        """From now on."""
        self.rules.write_text("\n".join(rules) + "\n" if rules else "")

    def calls(self, function: str) -> int:
        """How often a function was called."""
        return self.log.read_text().splitlines().count(function) if self.log.exists() else 0


@dataclass(frozen=True)
class TokenRoom:
    """A room whose root is in a token."""

    home: Path
    uri: str

    def open(self, unlock: Unlock | None = None) -> EmbeddedKeyService:
        return open_room(self.home, unlock or Unlock())


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    directory = tmp_path_factory.mktemp("softhsm")
    (directory / "tokens").mkdir()
    settings = f"directories.tokendir = {directory}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n"
    (directory / "softhsm2.conf").write_text(settings)
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SOFTHSM2_CONF", str(directory / "softhsm2.conf"))
        yield SoftHsm(directory)


@pytest.fixture
def soft_token(softhsm: SoftHsm, request: pytest.FixtureRequest) -> Token:
    return softhsm.new_token(f"t{len(list(softhsm.tokens.iterdir()))}")


@pytest.fixture
def ock_token(ock: Token) -> Iterator[Token]:
    """Without the keys of this test behind it: what is kept makes every search slower."""
    from strongroom.providers.pkcs11 import TokenUri, destroy_key

    ock.names.clear()
    yield ock
    for name in tuple(ock.names):
        destroy_key(TokenUri.parse(ock.uri(name)))


@pytest.fixture(scope="session")
def ock(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """opencryptoki has one software token for the whole system: it is used only if nobody else has begun to."""
    if os.geteuid() != 0:
        pytest.skip("opencryptoki's daemon wants root")
    if not any(path.read_text() == "pkcsslotd\n" for path in Path("/proc").glob("[0-9]*/comm")):
        run("pkcsslotd")
        time.sleep(1)
    slots = run("pkcsconf", "-t").split("Token #")[1:]
    soft = next(text for text in slots if "SoftTok" in text)
    slot = soft.split(" ", 1)[0]
    if "IBM OS PKCS#11" in soft:
        run("pkcsconf", "-I", "-c", slot, "-S", "87654321", given=f"{LABEL}\n")
        run("pkcsconf", "-P", "-c", slot, "-S", "87654321", "-n", SO_PIN)
        run("pkcsconf", "-u", "-c", slot, "-S", SO_PIN, "-n", PIN)
    elif LABEL not in soft:
        pytest.skip("opencryptoki's token is somebody's, and left alone")
    return Token(LABEL, OPENCRYPTOKI, pin_file(tmp_path_factory.mktemp("ock") / "pin", PIN))


@pytest.fixture(params=["softhsm", "opencryptoki"])
def token(request: pytest.FixtureRequest) -> Token:
    """A token of each kind."""
    found: Token = request.getfixturevalue({"softhsm": "soft_token", "opencryptoki": "ock_token"}[request.param])
    return found


@pytest.fixture(scope="session")
def proxy_module() -> str:
    subprocess.run(["cargo", "build", "--quiet", "-p", "pkcs11-proxy"], cwd=ROOT, check=True)
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return str(target / "debug" / "libpkcs11_proxy.so")


@pytest.fixture
def proxy(proxy_module: str, softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    found = Proxy(proxy_module, tmp_path / "rules", tmp_path / "calls")
    found.does()
    monkeypatch.setenv("FAULT_MODULE", SOFTHSM)
    monkeypatch.setenv("FAULT_FILE", str(found.rules))
    monkeypatch.setenv("FAULT_LOG", str(found.log))
    return found


def make_token_room(place: Path, uri: str, **more: object) -> TokenRoom:
    made = init_room(place / "room", root=uri, recovery=False, **more)  # type: ignore[arg-type] # as init_room has them
    return TokenRoom(made.home, uri)


def pin_file(path: Path, pin: str) -> Path:
    path.write_text(f"{pin}\n")
    path.chmod(0o600)
    return path


def unique(name: str) -> str:
    """A name for a key in a token that outlives the test."""
    return f"{name}-{os.urandom(4).hex()}"


def run(*command: str, given: str | None = None) -> str:
    done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or done.stdout
    return done.stdout
