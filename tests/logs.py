"""A log for tests, with a notary that needs no room."""

from __future__ import annotations

import json
from pathlib import Path

from rooms import REQUEST
from strongroom.audit import AuditLog, Denied, Event, Tree, Verifier, Who, entries
from strongroom.audit.checkpoint import EMPTY
from strongroom.crypto import MacKey
from strongroom.errors import KeystoreUnavailable


class MemoryNotary:
    """Signs, and remembers in memory."""

    def __init__(self) -> None:
        self.key = MacKey.generate().log_key(b"log")
        self.verifier = Verifier("test/log", self.key.public_key())
        self.tree = EMPTY
        self.answers = True

    def sign(self, text: bytes) -> bytes:
        return self.key.sign(text)

    def remembered(self) -> Tree:
        if not self.answers:
            raise KeystoreUnavailable("no answer")
        return self.tree

    def remember(self, before: Tree, after: Tree) -> None:
        assert before == self.tree
        self.tree = after


def event(why: str = "no") -> Event:
    return Denied(who=Who.of(REQUEST, "tester"), action="a", data_class=None, key_id=None, version=None, why=why)


def told(folder: Path) -> list[dict[str, object]]:
    """Every entry of a log."""
    return [json.loads(entry) for entry in entries(folder)]


def names(folder: Path) -> list[object]:
    """What every entry is about: the reason of those above, else their event."""
    return [entry.get("why", entry["event"]) for entry in told(folder)]


def filled(folder: Path, notary: MemoryNotary, count: int) -> None:
    """Put so many entries into a log, numbered from 0."""
    log = AuditLog(folder, "tester", notary)
    first = event("").line()
    log.send([first.replace(b'"why":""', b'"why":"%d"' % number) for number in range(count)])
    log.close()
