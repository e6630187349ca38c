"""What a part works with, and how an operation is judged."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from strongroom.errors import StrongroomError
from strongroom.home import init_room
from strongroom.providers.pkcs11 import TokenUri, connected, destroy_key, patience

from torture.report import Report
from torture.tokens import NoToken, Proxy, SoftHsm, Token, opencryptoki, unique
from torture.turns import turn_at_opencryptoki


@dataclass(frozen=True)
class Trial:
    """Tokens, and where findings go."""

    options: argparse.Namespace
    report: Report
    folder: Path
    softhsm: SoftHsm
    proxy: Proxy
    # at the end of the part
    closing: ExitStack = field(default_factory=ExitStack)

    def new_token(self) -> Token:
        """Another token of SoftHSM's."""
        return self.softhsm.new_token(unique("t"))

    def opencryptoki(self) -> Token | None:
        """The token of opencryptoki, for nobody else until the end, if it is to be had; else a note says why not."""
        try:
            self.closing.enter_context(turn_at_opencryptoki())
            return opencryptoki(self.folder)
        except NoToken as why:
            self.report.notes.append(str(why))
            return None

    def tokens(self) -> Iterator[tuple[str, Token]]:
        """A token of each kind."""
        yield "SoftHSM", self.new_token()
        other = self.opencryptoki()
        if other is not None:
            yield "opencryptoki", other

    def new_room(self, uri: str) -> Path:
        """A room that opens by the key that `uri` names, and is made now."""
        return init_room(self.folder / unique("room"), root=uri, recovery=False).home


@contextmanager
def new_key(token: Token) -> Iterator[TokenUri]:
    """A key in a token, until the end."""
    wanted = TokenUri.parse(token.uri(unique("key")))
    with connected(wanted) as at:
        made = at.make(wanted)
    try:
        yield made
    finally:
        destroy_key(made)


@contextmanager
def impatient() -> Iterator[float]:
    """With deadlines of a second a call and two in all; what nobody may exceed."""
    call, trying = patience.CALL, patience.TRYING
    patience.CALL, patience.TRYING = 1.0, 2.0
    try:
        # one call that hangs, tries until time is up, and a module that is begun anew
        yield 2 * patience.CALL + patience.TRYING + 1
    finally:
        patience.CALL, patience.TRYING = call, trying


def outcome(work: Callable[[], object]) -> tuple[str, float]:
    """The class of error that `work` raises, or `fine`, and its seconds."""
    begun = time.monotonic()
    try:
        work()
    except (StrongroomError, OSError) as error:
        return type(error).__name__, time.monotonic() - begun
    return "fine", time.monotonic() - begun


def misjudged(what: str, wanted: str, bound: float, work: Callable[[], object]) -> Iterator[str]:
    """What is wrong with how `work` ends."""
    got, seconds = outcome(work)
    if got != wanted:
        yield f"{what}: {got}, not {wanted}"
    if seconds > bound:
        yield f"{what}: it took {seconds:.1f} s, not {bound:.0f} at most"
