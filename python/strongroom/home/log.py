"""The audit log of a room in its place: which one it is, whose key signs it, and where the room remembers how far it was."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from strongroom.audit import AuditLog, LogStarted, Tree, UnlockFailed, Verifier, Who
from strongroom.audit.locks import Lock
from strongroom.audit.pending import Pending
from strongroom.errors import AuditTampered, AuditUnavailable, BadPassphrase, StrongroomError
from strongroom.files import DIRECTORY_MODE, directory_descriptor, sync_directory, write_private
from strongroom.home.places import AUDIT_DIRECTORY, VKEY_FILE, os_user
from strongroom.keys import new_id
from strongroom.keystore import Change, LogHead, LogRecord
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from strongroom.keystore import Keystore


class RoomNotary:
    """Signs for a log with its key, which comes from the room's MAC key, and remembers its heads in the keystore."""

    def __init__(self, keystore: Keystore, room_id: str, log: str) -> None:
        self._keystore = keystore
        self._log = log
        key = keystore.log_key(log)
        try:
            self.verifier = Verifier(log_name(room_id, log), key.public_key())
        finally:
            key.close()

    def sign(self, text: bytes) -> bytes:
        """See Notary.sign."""
        key = self._keystore.log_key(self._log)
        try:
            return key.sign(text)
        finally:
            key.close()

    def remembered(self) -> Tree:
        """See Notary.remembered."""
        head = self._keystore.log_head(self._log)
        return Tree(head.size, head.root)

    def remember(self, before: Tree, after: Tree) -> None:
        """See Notary.remember."""
        self._keystore.advance_log(self._log, LogHead(before.size, before.root), LogHead(after.size, after.root))


def open_log(place: Path, room_id: str, keystore: Keystore, actor: str) -> AuditLog:
    """The log of the room at `place`. The first to open a room of before there were logs, or at another place, begins one.

    Raises AuditUnavailable, and AuditTampered where the log is missing, or is not the one that the room knows.
    """
    folder = place / AUDIT_DIRECTORY
    log = identity(folder, room_id)
    if log is not None and is_of_elsewhere(log, place, keystore):
        put_aside(place, room_id, keystore)
        log = None
    if log is None or log not in keystore.snapshot().logs:
        log = adopt(place, room_id, keystore, actor)
    notary = RoomNotary(keystore, room_id, log)
    if vkey_of(folder) != str(notary.verifier):
        raise AuditTampered(f"{folder / VKEY_FILE} does not hold the key of this room's log: someone changed it")
    return AuditLog(folder, actor, notary, announced=True)


@contextmanager
def refusals_recorded(place: Path) -> Iterator[None]:
    """Record in the room's log that what was given does not open it: taking an entry needs no key.

    At most MOST_REFUSED wait there until the room is opened, so that trying over and over fills no disk. Where the log takes
    nothing, the refusal stands all the same.
    """
    try:
        yield
    except BadPassphrase as error:
        with suppress(StrongroomError, OSError):
            record_refused(place / AUDIT_DIRECTORY, error)
        raise


def record_refused(folder: Path, error: BadPassphrase) -> None:
    """One more of them, if there is space."""
    waiting = Pending(folder / "pending")
    try:
        waiting.refresh()
        found = sum(REFUSED in entry for _, entry in waiting.entries(waiting.start, waiting.end.offset))
    finally:
        waiting.close()
    if found >= MOST_REFUSED:
        return
    sink = AuditLog(folder, os_user())
    try:
        who = Who.of(Request(os_user(), "unlock", ""), os_user())
        sink.record(UnlockFailed(who=who, error=error.code))
    finally:
        sink.close()


def put_aside(place: Path, room_id: str, keystore: Keystore) -> None:
    """Make space for a log of this place: the one that is here came with a room that was moved or copied.

    Were both to go on with it, one of them would lose its entries.
    """
    with directory_descriptor(place) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        folder = place / AUDIT_DIRECTORY
        log = identity(folder, room_id)
        if log is not None and is_of_elsewhere(log, place, keystore):
            folder.rename(place / f"{AUDIT_DIRECTORY}-{log[:8]}")
            sync_directory(place)


def is_of_elsewhere(log: str, place: Path, keystore: Keystore) -> bool:
    """Whether a log began at another path, where the room may still be in use: its keystore did not come along.

    The host's name is not compared, since containers get a new one each time.
    """
    record = keystore.snapshot().logs.get(log)
    return (
        record is not None and not keystore.is_file and record.place.partition(":")[2] != named(place).partition(":")[2]
    )


def folders(place: Path) -> list[Path]:
    """The folders of logs in a room: those that were put aside, oldest first, and its own."""
    aside = [path for path in place.glob(f"{AUDIT_DIRECTORY}-*") if (path / VKEY_FILE).exists()]
    return [*sorted(aside, key=lambda path: (path / "pending").stat().st_mtime), place / AUDIT_DIRECTORY]


def begin_log(site: Path, room_id: str, keystore: Keystore, actor: str, log: LogRecord) -> AuditLog:
    """The log of a room that is being made, which the keystore lists already."""
    folder = site / AUDIT_DIRECTORY
    folder.mkdir(mode=DIRECTORY_MODE)
    notary = RoomNotary(keystore, room_id, log.id)
    write_private(folder / VKEY_FILE, f"{notary.verifier}\n".encode())
    return AuditLog(folder, actor, notary)


def new_log(place: Path) -> LogRecord:
    """A log for the room at `place`, which nobody knows of yet."""
    return LogRecord(id=new_id(), place=named(place), created=datetime.now(UTC))


def adopt(place: Path, room_id: str, keystore: Keystore, actor: str) -> str:
    """Begin a log where there is none that the keystore lists, and list it. Gives its id. A crash leaves nothing to undo."""
    folder = place / AUDIT_DIRECTORY
    try:
        if not folder.exists():
            refuse_missing(place, keystore)
            folder.mkdir(mode=DIRECTORY_MODE)
            sync_directory(place)
        lock = Lock(folder / "sealing")
    except OSError as error:
        raise AuditUnavailable(f"the audit log {folder} cannot be begun: {error.strerror}") from error
    try:
        with lock.held():
            return listed(place, room_id, keystore, actor)
    finally:
        lock.close()


def listed(place: Path, room_id: str, keystore: Keystore, actor: str) -> str:
    """The id of the log at `place`, which the keystore lists from now on."""
    folder, snapshot = place / AUDIT_DIRECTORY, keystore.snapshot()
    log = identity(folder, room_id)
    if log is not None and log in snapshot.logs:
        return log
    refuse_missing(place, keystore)
    if (folder / "checkpoint").exists():
        raise AuditTampered(f"{folder} holds a log that this room does not know: move it away to begin another")
    record = new_log(place)
    if log is not None:
        record = LogRecord(id=log, place=record.place, created=record.created)
    elif not any((folder / name).exists() for name in ("events.jsonl", "pending")):
        note_start(folder, actor)
    write_private(folder / VKEY_FILE, f"{RoomNotary(keystore, room_id, record.id).verifier}\n".encode())
    keystore.change(lambda _: Change(logs=(record,)))
    return record.id


def note_start(folder: Path, actor: str) -> None:
    """The first entry of a log at another place than the room's first."""
    sink = AuditLog(folder, actor)
    who = Who.of(Request("strongroom", "audit", "the room was opened at another place"), actor)
    try:
        sink.note(LogStarted(who=who, carried=0))
    finally:
        sink.close()


def refuse_missing(place: Path, keystore: Keystore) -> None:
    """Raises AuditTampered where the keystore lists a log that must be at this place."""
    for record in keystore.snapshot().logs.values():
        if record.place == named(place) or keystore.is_file:
            raise AuditTampered(
                f"the audit log {record.id} at {place / AUDIT_DIRECTORY} is missing, or its {VKEY_FILE} is: put it back from a copy"
            )


def identity(folder: Path, room_id: str) -> str | None:
    """The id of the log whose key lies in `folder`, None if there is none. Raises AuditTampered for another room's."""
    try:
        name, _, _ = vkey_of(folder).partition("+")
    except FileNotFoundError:
        return None
    prefix, _, log = name.rpartition("/")
    if prefix != log_name(room_id, "").rstrip("/"):
        raise AuditTampered(f"{folder / VKEY_FILE} is not the key of a log of this room")
    return log


def vkey_of(folder: Path) -> str:
    """The key that lies with a log. Raises FileNotFoundError."""
    try:
        return (folder / VKEY_FILE).read_text().removesuffix("\n")
    except FileNotFoundError:
        raise
    except (OSError, ValueError) as error:
        raise AuditUnavailable(f"{folder / VKEY_FILE} cannot be read: {error}") from error


def log_name(room_id: str, log: str) -> str:
    """What a log is called in its checkpoints."""
    return f"strongroom/{room_id}/{log}"


def named(place: Path) -> str:
    """How the keystore says where a log is."""
    return f"{os.uname().nodename}:{place.absolute() / AUDIT_DIRECTORY}"


REFUSED = b'"event":"unlock-failed"'
MOST_REFUSED = 256
