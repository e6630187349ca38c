"""The providers of a room's root: what opens it, whether its tokens answer, and what a token can do."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.errors import Misuse, ProviderUnavailable, RoomUnsafe, StrongroomError
from strongroom.home.opening import is_ours, read_room, sealed_now
from strongroom.home.places import ROOT_FILE, as_home
from strongroom.providers import RootFile

if TYPE_CHECKING:
    from strongroom.home.unlock import StrPath
    from strongroom.model import Way
    from strongroom.providers import SealedRoot
    from strongroom.providers.sealed import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """Whether a token gives the root now, and in how many seconds; else `error` says why it does not."""

    way: Way
    seconds: float
    error: StrongroomError | OSError | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenFacts:
    """A token, and the scheme by which a key in it would wrap a root; None if by none."""

    label: str
    serial: str
    manufacturer: str
    model: str
    locks: bool
    mechanisms: tuple[str, ...]
    scheme: str | None
    token_nonce: bool


def list_ways(home: StrPath | None = None) -> tuple[Way, ...]:
    """What opens the room at `home`, as its files say. Opens nothing."""
    return root_of(home)[0].ways()


def check_health(home: StrPath | None = None, within: float = 60.0) -> tuple[Health, ...]:
    """Ask every token that opens the room for its root, which is wiped at once; all together, for `within` seconds at most."""
    sealed, trusted = root_of(home)
    if not trusted:
        raise RoomUnsafe(f"somebody else has written {ROOT_FILE}, which names the modules to load")
    from strongroom.providers.pkcs11 import token_entries

    entries, ways = token_entries(sealed), {way.id: way for way in sealed.ways()}
    found: dict[str, Health] = {}
    end = time.monotonic() + within

    def ask(entry: Entry) -> None:
        found[entry.way] = asked(sealed, entry, ways[entry.way])

    # no part of the interpreter's end: one may be inside a module for ever
    threads = [threading.Thread(target=ask, args=(entry,), daemon=True) for entry in entries]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    late = ProviderUnavailable(f"the token did not answer within {within:.0f} seconds")
    return tuple(found.get(entry.way, Health(way=ways[entry.way], seconds=within, error=late)) for entry in entries)


def asked(sealed: SealedRoot, entry: Entry, way: Way) -> Health:
    """What becomes of asking one token."""
    from strongroom.providers.pkcs11 import unwrapped_root, uri_of

    start, failure = time.perf_counter(), None
    try:
        uri = uri_of(entry.parameters)
        unwrapped_root(entry.sealed, sealed.room_id, sealed.version, entry.parameters, uri).close()
    except (StrongroomError, OSError) as error:
        failure = error
    return Health(way=way, seconds=time.perf_counter() - start, error=failure)


def complaints(home: StrPath | None = None) -> dict[str, str | None]:
    """For each token that opens the room, by its URI, what keeps it from doing so that can be seen without asking it."""
    found: dict[str, str | None] = {}
    for way in list_ways(home):
        if way.token is not None:
            found[way.token] = complaint(way.token)
    return found


def complaint(uri: str) -> str | None:
    """Whether module and PIN file are there, and the latter nobody else's."""
    from strongroom.providers.pkcs11 import TokenUri
    from strongroom.providers.pkcs11.pin import check_pin_file

    named = TokenUri.parse(uri)
    try:
        Path(str(named.module_path)).stat()
        check_pin_file(named.pin_source)
    except OSError as error:
        return f"{error.filename}: {error.strerror}"
    except StrongroomError as error:
        return str(error)
    return None


def probe(uri: str) -> TokenFacts:
    """Log in to the token of `uri`, and see with a key for this session alone by which scheme it wraps."""
    from strongroom.providers.pkcs11 import TokenUri, connected

    wanted = TokenUri.parse(uri)
    if wanted.token is None and wanted.serial is None:
        raise Misuse("the URI names no token: give token=LABEL or serial=NUMBER")
    with connected(wanted) as connection:
        return TokenFacts(**connection.facts())


def root_of(home: StrPath | None) -> tuple[SealedRoot, bool]:
    """The sealed root in force, and whether it can be trusted to name code."""
    place = as_home(home)
    room = read_room(place)
    return sealed_now(RootFile(place / ROOT_FILE, room.id).read(), place, room), is_ours(place / ROOT_FILE)
