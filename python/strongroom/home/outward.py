"""The log of a room and the world outside: witnesses asked, entries forwarded, by a command or a timer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from strongroom.audit.cosigning import Cosigned, Cosigner, last_cosigned
from strongroom.audit.forwarding import Forwarded
from strongroom.errors import BackendUnavailable, Misuse, StrongroomError
from strongroom.home.auditing import own_log
from strongroom.home.following import followers_of, tell
from strongroom.home.log import RoomNotary
from strongroom.home.places import AUDIT_DIRECTORY
from strongroom.home.reach import state_in, witness_file
from strongroom.home.upkeep import opened, site, trail
from strongroom.keystore.settings import settings_in
from strongroom.model import Settings, Witness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strongroom.home.opening import RoomFile
    from strongroom.home.unlock import StrPath, Unlock
    from strongroom.keystore import Keystore


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A witness, and what it has cosigned last of this log: None for nothing, or for what does not verify.

    `problem` says that, or what went wrong when it was asked last.
    """

    witness: Witness
    last: Cosigned | None
    problem: str | None = None


def standings(home: StrPath | None, unlock: Unlock) -> tuple[Standing, ...]:
    """What each witness of the room has cosigned last. None is asked."""
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        return tuple(standings_of(place, room.id, keystore))


def standings_of(place: Path, room_id: str, keystore: Keystore) -> Iterator[Standing]:
    """The same for a keystore that is open."""
    snapshot, folder = keystore.snapshot(), place / AUDIT_DIRECTORY
    settings = settings_in(snapshot.settings)
    if not settings.witnesses:
        return
    verifier = RoomNotary(keystore, room_id, own_log(place, room_id, snapshot)).verifier
    for witness in settings.witnesses:
        state = state_in(folder, witness_file(Cosigner.parse(witness.vkey)))
        try:
            last = last_cosigned(folder, verifier, Cosigner.parse(witness.vkey))
        except StrongroomError as error:
            yield Standing(witness=witness, last=None, problem=str(error))
        else:
            yield Standing(witness=witness, last=last, problem=state.problem if state is not None else None)


def push(home: StrPath | None, unlock: Unlock) -> tuple[tuple[Witness, Cosigned | Exception], ...]:
    """Seal the log and have it cosigned by every witness. Gives what each came to. Raises Misuse where there is none."""
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        with trail(place, room, keystore):
            # opening it has sealed what there was
            settings = settings_in(keystore.snapshot().settings)
        if not settings.witnesses:
            raise Misuse("this room has no witness: `strongroom audit witness add` takes one")
        folder = place / AUDIT_DIRECTORY
        verifier = RoomNotary(keystore, room.id, own_log(place, room.id, keystore.snapshot())).verifier
        came = tell(folder, followers_of(folder, verifier, Settings(witnesses=settings.witnesses)))
        return tuple(zip(settings.witnesses, came, strict=True))  # type: ignore[arg-type] # what asking gives


def forward_now(home: StrPath | None, unlock: Unlock) -> Forwarded:
    """Seal the log and send what was not sent yet to where the room forwards to. Raises Misuse where that is nowhere."""
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        return forwarded(place, room, keystore)


def follow(home: StrPath | None, unlock: Unlock, pause: float) -> Iterator[Forwarded | StrongroomError]:
    """The same again and again, `pause` seconds apart, without an end. What fails is given, and tried again."""
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        while True:
            try:
                yield forwarded(place, room, keystore)
            except BackendUnavailable as error:
                yield error
            time.sleep(pause)


def forwarded(place: Path, room: RoomFile, keystore: Keystore) -> Forwarded:
    """What there is, sealed and sent."""
    with trail(place, room, keystore):
        # opening it has sealed what there was
        snapshot = keystore.snapshot()
    target, folder = settings_in(snapshot.settings).forwarding, place / AUDIT_DIRECTORY
    if target is None:
        raise Misuse("this room forwards to nowhere: `strongroom audit forward to` names a place")
    verifier = RoomNotary(keystore, room.id, own_log(place, room.id, snapshot)).verifier
    (came,) = tell(folder, followers_of(folder, verifier, Settings(forwarding=target)))
    if isinstance(came, Exception):
        raise came
    return cast("Forwarded", came)
