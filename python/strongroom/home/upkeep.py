"""The keystore of a room as a whole: examined, counted, moved to another database, brought to a newer format.

None of it needs a room that opens: it may be what has to be mended first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.audit import AuditLog, Denied, KeystoreMoved, KeystoreUpgraded, Who
from strongroom.errors import AccessDenied, InternalError, Misuse, RoomTampered, StrongroomError
from strongroom.files import check_private, write_private
from strongroom.home.log import open_log
from strongroom.home.opening import RoomFile, keystore_in_force, read_room, unseal
from strongroom.home.places import (
    AUDIT_DIRECTORY,
    KEYSTORE_FILE,
    ROOM_FILE,
    ROOT_FILE,
    anchors_directory,
    as_home,
    os_user,
    os_user_beside,
)
from strongroom.home.unlock import Unlock
from strongroom.keystore import Findings, OutboxEntry, check_keystore, check_url
from strongroom.keystore.moving import move_keystore, settle
from strongroom.keystore.reading import FORMAT
from strongroom.keystore.upgrading import FIRST_FORMAT, owner_of_first, upgrade_keystore
from strongroom.policy import Action, OwnerPolicy, Resource, judge
from strongroom.providers import RootFile

if TYPE_CHECKING:
    from strongroom.audit import Event
    from strongroom.home.unlock import StrPath
    from strongroom.keystore import Keystore
    from strongroom.model import Request
    from strongroom.providers import OpenRoot


@dataclass(frozen=True, slots=True)
class KeystoreStats:
    """How much there is: rows by table, versions by state, wraps reserved; `place` is a file or a URL."""

    place: str
    epoch: int
    digest: str
    root_version: int
    classes: int
    keys: int
    versions: Mapping[str, int]
    wraps: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A keystore that was moved. The digest of what it holds is the same at both places."""

    source: str
    target: str
    digest: str


@dataclass(frozen=True, slots=True)
class Upgraded:
    """A keystore that was upgraded, and the copy of what it was."""

    from_format: int
    to_format: int
    backup: Path


def check(home: StrPath | None, unlock: Unlock) -> Findings:
    """Everything in the keystore of the room at `home` that does not verify."""
    with site(home, unlock) as (place, room, root):
        # a move that a crash interrupted is finished first; what else is wrong is found below
        with suppress(StrongroomError):
            keystore_in_force(place, room, root).close()
        room = read_room(place)
        return check_keystore(room.place(place), room.id, root, anchors_directory())


def stats(home: StrPath | None, unlock: Unlock) -> KeystoreStats:
    """How much there is in the keystore."""
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        snapshot = keystore.snapshot()
        return KeystoreStats(
            place=str(read_room(place).place(place)),
            epoch=snapshot.epoch,
            digest=snapshot.digest,
            root_version=snapshot.root_version,
            classes=len(snapshot.classes),
            keys=len(snapshot.keys),
            versions=dict(Counter(str(version.state) for version in snapshot.versions.values())),
            wraps=sum(keystore.wraps().values()),
            waiting=len(keystore.pending()),
        )


def move(home: StrPath | None, unlock: Unlock, target: str, request: Request) -> Moved:
    """Move the keystore to the URL `target`, or back into the room for the path of its file there.

    Raises Misuse for any other place, TargetExists if something else is there.
    """
    with site(home, unlock) as (place, _, root):
        keystore_in_force(place, read_room(place), root).close()
        room = read_room(place)
        elsewhere = destination(place, room, target)
        source, there = room.place(place), elsewhere.place(place)
        with opened(place, room, root) as keystore, trail(place, room, keystore) as sink:
            authorise(keystore.snapshot().owner, request, sink)
            deliver(keystore, sink)
            before = keystore.snapshot().digest
        refuse_findings(check_keystore(source, room.id, root, anchors_directory()))
        event = KeystoreMoved(who=Who.of(request, os_user()), source=str(source), target=str(there))
        move_keystore(source, there, room.id, root, anchors_directory(), entry_of(event))
        finish(place, elsewhere, root, source)
        with opened(place, elsewhere, root) as keystore:
            after = keystore.snapshot().digest
    if before != after:
        raise InternalError(f"what was moved to {there} is not what was at {source}")
    return Moved(str(source), str(there), after)


def finish(place: Path, room: RoomFile, root: OpenRoot, source: Path | str) -> None:
    """Put a keystore that was moved in force, and say so in `room.json` and in the audit trail."""
    settle(room.place(place), room.id, root, came_from=source)
    write_private(place / ROOM_FILE, room.content())
    with opened(place, room, root) as keystore, trail(place, room, keystore) as sink:
        deliver(keystore, sink)


def upgrade(home: StrPath | None, unlock: Unlock, request: Request) -> Upgraded:
    """Bring the keystore to the newest format, and leave a copy of the old one in the room."""
    with site(home, unlock) as (place, room, root):
        path, backup = place / KEYSTORE_FILE, place / BACKUP_FILE
        with trail(place, room) as sink:
            authorise(owner_of_first(path, room.id, root, anchors_directory()), request, sink)
        event = KeystoreUpgraded(
            who=Who.of(request, os_user()), from_format=FIRST_FORMAT, to_format=FORMAT, backup=backup.name
        )
        upgrade_keystore(path, backup, room.id, root, anchors_directory(), entry_of(event))
        write_private(place / ROOM_FILE, room.content())
        with opened(place, room, root) as keystore, trail(place, room, keystore) as sink:
            deliver(keystore, sink)
    return Upgraded(FIRST_FORMAT, FORMAT, backup)


def destination(place: Path, room: RoomFile, target: str) -> RoomFile:
    """The room with its keystore at `target`. Raises Misuse."""
    if "://" in target:
        check_url(target)
        elsewhere = replace(room, keystore=target)
    elif Path(target).absolute() == (place / KEYSTORE_FILE).absolute():
        elsewhere = replace(room, keystore=None)
    else:
        raise Misuse(f"a keystore is in PostgreSQL, at postgresql://…, or in the room, at {place / KEYSTORE_FILE}")
    if elsewhere == room:
        raise Misuse(f"the keystore is at {target} already")
    return elsewhere


def authorise(owner: str, request: Request, sink: AuditLog) -> None:
    """Ask the policy. Raises AccessDenied once the refusal is durable in the audit trail."""
    policy, resource = OwnerPolicy(owner, os_user_beside(owner)), Resource()
    decision = judge(policy, request, Action.MAINTAIN, resource)
    if decision.allowed:
        return
    who = Who.of(request, os_user())
    denied = Denied(
        who=who, action=str(Action.MAINTAIN), data_class=None, key_id=None, version=None, why=decision.reason
    )
    sink.record(denied)
    raise AccessDenied(f"{Action.MAINTAIN} was refused: {decision.reason}")


def refuse_findings(found: Findings) -> None:
    """Raises RoomTampered for the first thing that is wrong: nothing of it may be signed anew."""
    if found.wrong:
        raise RoomTampered(f"{found.wrong[0]} (`strongroom keystore check` shows all)")


def deliver(keystore: Keystore, sink: AuditLog) -> None:
    """Send what waits in the outbox."""
    keystore.deliver(lambda entries: sink.send([entry.line for entry in entries]))


def entry_of(event: Event) -> OutboxEntry:
    """An event for the outbox."""
    return OutboxEntry(event.id, event.line())


@contextmanager
def site(home: StrPath | None, unlock: Unlock) -> Iterator[tuple[Path, RoomFile, OpenRoot]]:
    """The room's directory, what `room.json` says, and its root, until the end."""
    place = as_home(home)
    room = read_room(place)
    check_private(place)
    with ExitStack() as closing:
        root = unseal(place, RootFile(place / ROOT_FILE, room.id), room, unlock)
        closing.callback(root.close)
        yield place, room, root


@contextmanager
def opened(place: Path, room: RoomFile, root: OpenRoot) -> Iterator[Keystore]:
    """The room's keystore, until the end."""
    keystore = keystore_in_force(place, room, root)
    try:
        yield keystore
    finally:
        keystore.close()


@contextmanager
def trail(place: Path, room: RoomFile, keystore: Keystore | None = None) -> Iterator[AuditLog]:
    """The room's audit log, until the end. Without a keystore it takes entries, and signs nothing."""
    if keystore is None:
        sink = AuditLog(place / AUDIT_DIRECTORY, os_user())
    else:
        sink = open_log(place, room.id, keystore, os_user())
    try:
        yield sink
    finally:
        sink.close()


BACKUP_FILE = "keystore.format-1.db"
