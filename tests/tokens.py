"""Tokens for tests, and rooms whose root is in one."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from strongroom.home import Unlock, init_room, open_room

from torture.tokens import (
    LABEL,
    OPENCRYPTOKI,
    PIN,
    SO_PIN,
    SOFTHSM,
    NoToken,
    Proxy,
    SoftHsm,
    Token,
    new_softhsm,
    nss,
    nss_parameters,
    opencryptoki,
    pin_file,
    run,
    unique,
)
from torture.tokens import imported as put_in
from torture.tokens import proxy_module as built
from torture.turns import turn_at_opencryptoki

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.keyservice import EmbeddedKeyService

__all__ = [
    "LABEL",
    "OPENCRYPTOKI",
    "PIN",
    "SOFTHSM",
    "SO_PIN",
    "Proxy",
    "SoftHsm",
    "Token",
    "TokenRoom",
    "in_child",
    "make_token_room",
    "pin_file",
    "run",
    "unique",
]


@dataclass(frozen=True)
class TokenRoom:
    """A room whose root is in a token."""

    home: Path
    uri: str

    def open(self, unlock: Unlock | None = None) -> EmbeddedKeyService:
        return open_room(self.home, unlock or Unlock())


@pytest.fixture(scope="session")
def softhsm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftHsm]:
    made = new_softhsm(tmp_path_factory.mktemp("softhsm"))
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SOFTHSM2_CONF", str(made.settings))
        yield made


@pytest.fixture
def soft_token(softhsm: SoftHsm, request: pytest.FixtureRequest) -> Token:
    return softhsm.new_token(f"t{len(list(softhsm.tokens.iterdir()))}")


@pytest.fixture
def ock_token(ock: Token) -> Iterator[Token]:
    """Without the keys of this test behind it: what is kept makes every search slower."""
    from strongroom.providers.pkcs11 import TokenUri, destroy_key

    with turn_at_opencryptoki():
        ock.names.clear()
        yield ock
        for name in tuple(ock.names):
            destroy_key(TokenUri.parse(ock.uri(name)))


@pytest.fixture(scope="session")
def ock(tmp_path_factory: pytest.TempPathFactory) -> Token:
    """opencryptoki has one software token for the whole system: it is used only if nobody else has begun to."""
    try:
        with turn_at_opencryptoki():
            return opencryptoki(tmp_path_factory.mktemp("ock"))
    except NoToken as why:
        pytest.skip(str(why))


@pytest.fixture(scope="session")
def nss_token(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Token]:
    """NSS's module is told once where its database is, for all of the process."""
    directory = tmp_path_factory.mktemp("nss")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("NSS_LIB_PARAMS", nss_parameters(directory))
        yield nss(directory)


@pytest.fixture(params=["softhsm", "opencryptoki"])
def token(request: pytest.FixtureRequest) -> Token:
    """A token of each kind."""
    found: Token = request.getfixturevalue({"softhsm": "soft_token", "opencryptoki": "ock_token"}[request.param])
    return found


@pytest.fixture(scope="session")
def proxy_module() -> str:
    return built()


@pytest.fixture
def proxy(proxy_module: str, softhsm: SoftHsm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Proxy:
    found = Proxy(proxy_module, tmp_path / "rules", tmp_path / "calls")
    found.does()
    for name, value in found.variables.items():
        monkeypatch.setenv(name, value)
    return found


def make_token_room(place: Path, uri: str, **more: object) -> TokenRoom:
    made = init_room(place / "room", root=uri, recovery=False, **more)  # type: ignore[arg-type] # as init_room has them
    return TokenRoom(made.home, uri)


def imported(token: Token, place: Path, key: bytes, name: str) -> str:
    """A raw key put into SoftHSM; and its URI."""
    path = place / f"{name}.key"
    path.write_bytes(key)
    return put_in(token, path, name)


def in_child(work) -> str:  # type: ignore[no-untyped-def] # anything that can be called
    """What `work` gives in a forked child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(writer, str(work()).encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text
