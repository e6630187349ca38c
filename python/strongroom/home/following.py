"""Who hears of what was sealed: the witnesses of a room, and the place that it forwards entries to. Nobody waits for them.

While a room is open they are told in a thread that may be left behind, and when it is closed for some seconds at the most.
What fails is tried again later, by the next process too. How it went with each is noted in a file of its own.
"""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.audit.cosigning import Cosigner
from strongroom.audit.forwarding import forward
from strongroom.audit.witnessing import witnessed
from strongroom.errors import StrongroomError
from strongroom.home.reach import FORWARDING, failed_lately, note, witness_file

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from strongroom.audit import Event, Head, Sink, Verifier
    from strongroom.model import Settings


@dataclass(frozen=True, slots=True)
class Follower:
    """Somebody who is told: the file that says how it went, a name for people, and the work itself, which may raise."""

    file: str
    name: str
    work: Callable[[], object]


class FollowedLog:
    """A log that tells `followers` after it was sealed. Thread-safe as the log is."""

    def __init__(self, log: Sink, folder: Path, followers: Sequence[Follower]) -> None:
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
        """Tell all of them, unless somebody is at it, but for those that were not reached a minute ago."""
        if not self._telling.acquire(blocking=False):
            return
        try:
            tell(self._folder, [each for each in self._followers if not failed_lately(self._folder, each.file)])
        finally:
            self._telling.release()


def followers_of(folder: Path, verifier: Verifier, settings: Settings, most: int | None = None) -> tuple[Follower, ...]:
    """What is to be done for each witness, and for the place to forward to."""
    asking = tuple(asking_of(folder, verifier, Cosigner.parse(each.vkey), each.url) for each in settings.witnesses)
    target = settings.forwarding
    if target is None:
        return asking
    return (*asking, Follower(FORWARDING, target, lambda: forward(folder, verifier.name, target, most)))


def asking_of(folder: Path, verifier: Verifier, cosigner: Cosigner, url: str) -> Follower:
    """The asking of one witness."""
    return Follower(witness_file(cosigner), cosigner.name, lambda: witnessed(folder, verifier, cosigner, url))


def tell(folder: Path, followers: Sequence[Follower]) -> list[object]:
    """Let each follower do its work, and note how it went. Gives what each came to: its result, or an error."""
    return [told(folder, follower) for follower in followers]


def told(folder: Path, follower: Follower) -> object:
    """What one of them came to."""
    error = None
    try:
        came = follower.work()
    except (StrongroomError, OSError) as failure:
        came = error = failure
    # it is a note, and nothing depends on it
    with suppress(OSError):
        note(folder, follower.file, follower.name, error)
    return came


EVERY = 1024
PATIENCE = 5.0
