"""The job over a room of before there were logs: its first use, which carries the plain trail into a log."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from strongroom.audit import entries
from strongroom.client.upkeep import Upkeep
from strongroom.errors import StrongroomError
from strongroom.home import Unlock, open_room

from torture.crash.killing import End
from torture.place import Place
from torture.plain import as_before_logs
from torture.report import Report


class Carry:
    """`strongroom keys list` in such a room: every old entry is in the log, once and byte for byte, and the log verifies."""

    name = "first use of a plain trail"
    command = ("keys", "list")

    def __init__(self, place: Place) -> None:
        self.place = place
        self.midway = 0
        with place.open() as room:
            for number in range(40):
                room.encrypt(b"x", context={"number": str(number)})
        self.old = as_before_logs(place.room, open_room(place.room, Unlock(key_file=place.key)))
        # the anchor would know that the keystore was put back for the next kill
        shutil.rmtree(place.state)
        shutil.copytree(place.room, self.template)

    @property
    def template(self) -> Path:
        """What the room is before each kill."""
        return self.place.folder / "plain"

    def prepare(self, share: float) -> None:
        """The room of before."""
        shutil.rmtree(self.place.room)
        shutil.copytree(self.template, self.place.room)
        shutil.rmtree(self.place.state, ignore_errors=True)

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start(*self.command)

    def judge(self, end: End) -> Iterator[str]:
        """Use the room again, and look at its log."""
        if not end.killed and end.code != 0:
            yield f"exit code {end.code}: {end.stderr}"
        self.midway += (self.place.room / "audit/pending").exists() != (self.place.room / "audit/checkpoint").exists()
        try:
            with self.place.open() as room:
                room.encrypt(b"y")
            upkeep = Upkeep(self.place.room, Unlock(key_file=self.place.key), principal=None, purpose=None)
            yield from upkeep.reconcile().wrong
            upkeep.verify_audit()
        except StrongroomError as error:
            yield f"the room does not work: {error!r}"
            return
        found = list(entries(self.place.room / "audit"))
        if found[: len(self.old)] != self.old:
            yield "the log does not begin with the old entries"
        if not set(self.old).isdisjoint(found[len(self.old) :]):
            yield "an old entry is in the log twice"
        started = [entry for entry in found if json.loads(entry)["event"] == "log-started"]
        if len(started) != 1:
            yield f"the log was begun {len(started)} times"
        if (self.place.room / "audit/events.jsonl").exists():
            yield "the plain trail is still there"


def control_carry(job: Carry, report: Report) -> None:
    """An entry that got lost on the way is missed."""
    job.prepare(0)
    trail = job.place.room / "audit/events.jsonl"
    trail.write_bytes(b"".join(trail.read_bytes().splitlines(keepends=True)[1:]))
    found = list(job.judge(End(killed=True, code=-9, stdout="", stderr="")))
    report.controls[f"{job.name}: an entry that got lost"] = any("does not begin" in line for line in found)
