"""Who hears of what was sealed: the witnesses of a room, and the place that it forwards entries to. Nobody waits for them.

While a room is open they are told in a thread that may be left behind, and when it is closed for some seconds at the most.
What fails is tried again later, by the next process too, and noted in `unreached` until it works.
"""

from __future__ import annotations

import os
import threading
import time
from typing import TYPE_CHECKING

from strongroom.audit.cosigning import Cosigner
from strongroom.audit.forwarding import forward
from strongroom.audit.witnessing import witnessed
from strongroom.errors import AuditTampered, StrongroomError
from strongroom.files import write_private
from strongroom.home.standing import UNREACHED

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from strongroom.audit import Event, Head, Sink, Verifier
    from strongroom.model import Settings


class FollowedLog:
    """A log that tells `followers` after it was sealed, each of whom may raise. Thread-safe as the log is."""

    def __init__(self, log: Sink, folder: Path, followers: Sequence[Callable[[], object]]) -> None:
        self._log = log
        self._folder = folder
        self._followers = followers
        self._process = os.getpid()
        self._taken = 0
        self._closed = False
        self._telling = threading.Lock()

    def record(self, event: Event) -> None:
        """See Sink.record."""
        self._log.record(event)
        self._count(1)

    def note(self, event: Event) -> None:
        """See Sink.note."""
        self._log.note(event)
        self._count(1)

    def send(self, lines: Sequence[bytes]) -> None:
        """See Sink.send."""
        self._log.send(lines)
        self._count(len(lines))

    def head(self) -> Head:
        """See Sink.head."""
        return self._log.head()

    def close(self) -> None:
        """See Sink.close. Then the followers hear of the rest, for some seconds at the most."""
        self._log.close()
        if not self._closed and self._process == os.getpid():
            self._closed = True
            self._start().join(PATIENCE)

    def _count(self, entries: int) -> None:
        # about as often as a log is sealed by itself; two threads that count as one make it a little later
        self._taken += entries
        if self._taken >= EVERY:
            self._taken = 0
            self._start()

    def _start(self) -> threading.Thread:
        thread = threading.Thread(target=self._tell, name="strongroom-followers", daemon=True)
        thread.start()
        return thread

    def _tell(self) -> None:
        """Tell all of them, unless somebody is at it, or it did not work a minute ago."""
        if not self._telling.acquire(blocking=False):
            return
        try:
            if failed_lately(self._folder):
                return
            tell(self._folder, self._followers)
        finally:
            self._telling.release()


def followers_of(
    folder: Path, verifier: Verifier, settings: Settings, most: int | None = None
) -> tuple[Callable[[], object], ...]:
    """What is to be done for each witness, and for the place to forward to."""
    forwarding = settings.forwarding
    asking = tuple(asking_of(folder, verifier, Cosigner.parse(each.vkey), each.url) for each in settings.witnesses)
    if forwarding is None:
        return asking
    return (*asking, lambda: forward(folder, verifier.name, forwarding, most))


def asking_of(folder: Path, verifier: Verifier, cosigner: Cosigner, url: str) -> Callable[[], object]:
    """The asking of one witness."""
    return lambda: witnessed(folder, verifier, cosigner, url)


def tell(folder: Path, followers: Sequence[Callable[[], object]]) -> list[object]:
    """Let each follower do its work, and note what failed. Gives what each came to: its result, or an error."""
    came: list[object] = []
    for follower in followers:
        try:
            came.append(follower())
        except (StrongroomError, OSError) as error:
            came.append(error)
    failed = [error for error in came if isinstance(error, Exception)]
    try:
        if failed:
            alarms = [error for error in failed if isinstance(error, AuditTampered)]
            write_private(folder / UNREACHED, f"{(alarms or failed)[0]}\n".encode())
        else:
            (folder / UNREACHED).unlink(missing_ok=True)
    except OSError:
        # it is a note, and nothing depends on it
        pass
    return came


def failed_lately(folder: Path) -> bool:
    """Whether it did not work a short time ago: then nobody waits for it again so soon."""
    try:
        return 0 <= time.time() - (folder / UNREACHED).stat().st_mtime < PAUSE
    except OSError:
        return False


EVERY = 1024
PATIENCE = 5.0
PAUSE = 60.0
