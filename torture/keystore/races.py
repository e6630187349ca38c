"""Two processes that rotate one key at the same instant, both having seen the same primary version."""

from __future__ import annotations

import subprocess
import sys

from torture.keystore.stands import Stand
from torture.report import Report


def race(stand: Stand, times: int, report: Report) -> None:
    """So many races: one wins, the other is told, and every version is there at the end."""
    with stand.place.open() as room:
        messages = [room.encrypt(b"under version 2")]
        key = room.keys.list()[0]
    racers = [Racer(stand, key.id, CAREFUL) for _ in range(2)]
    primary = key.primary
    for _ in range(times):
        said = together(racers)
        report.count(f"{stand.database}: two rotations at once")
        primary += 1
        if sorted(said) != sorted([f"primary {primary}", "key.changed"]):
            report.found.append(f"{stand.database}: two rotations at once from version {primary - 1}: {said}")
        with stand.place.open() as room:
            messages.append(room.encrypt(b"under version %d" % primary))
    for racer in racers:
        racer.end()
    with stand.place.open() as room:
        found = next(found for found in room.keys.list() if found.id == key.id)
        plaintexts = room.decrypt_many(messages)
    versions = [version.version for version in found.versions]
    if versions != list(range(1, primary + 1)) or found.primary != primary:
        report.found.append(f"{stand.database}: versions {versions} after {times} races")
    if plaintexts != [b"under version %d" % number for number in range(2, primary + 1)]:
        report.found.append(f"{stand.database}: a message of a race does not decrypt")
    report.found.extend(f"{stand.database}: {line}" for line in stand.check().wrong)


def together(racers: list[Racer]) -> list[str]:
    """What each says after rotating: both have read the keystore before either writes."""
    for racer in racers:
        racer.say("begin")
    for racer in racers:
        racer.hear()
    for racer in racers:
        racer.say("go")
    return [racer.hear() for racer in racers]


class Racer:
    """A process that rotates a key whenever it is told to, in two steps."""

    def __init__(self, stand: Stand, key_id: str, how: str) -> None:
        command = [sys.executable, "-c", RACER, str(stand.place.room), str(stand.place.key), key_id, how]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=stand.place.environment(), cwd=stand.place.folder
        )

    def say(self, word: str) -> None:
        """Tell it to go on."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{word}\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """What it says."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def end(self) -> None:
        """Let it end."""
        self._process.communicate()


def control_race(stand: Stand, report: Report) -> None:
    """A rotation that does not look again has to be seen to win beside another."""
    with stand.place.open() as room:
        key_id = room.keys.list()[0].id
    racers = [Racer(stand, key_id, CARELESS) for _ in range(2)]
    said = together(racers)
    for racer in racers:
        racer.end()
    won = [line for line in said if line.startswith("primary")]
    report.controls[f"{stand.database}: rotations that do not look again"] = len(won) == len(racers)


CAREFUL, CARELESS = "careful", "careless"
RACER = """
import sys
from dataclasses import replace
from strongroom.errors import KeyChanged, StrongroomError
from strongroom.home import Unlock, open_room
from strongroom.model import Request
home, key_file, key_id, how = sys.argv[1:]
service = open_room(home, Unlock(key_file=key_file))
request, change = Request("racer", "torture", "a race"), service._keystore.change
class Unseen(int):
    def __ne__(self, other):
        return False
def blind(snapshot):
    keys = {name: replace(key, primary_version=Unseen(key.primary_version)) for name, key in snapshot.keys.items()}
    return replace(snapshot, keys=keys)
def waiting(decide):
    print("seen", flush=True)
    sys.stdin.readline()
    return change(decide if how == "careful" else lambda snapshot: decide(blind(snapshot)))
service._keystore.change = waiting
while sys.stdin.readline():
    try:
        print("primary", service.rotate(request, key_id).primary, flush=True)
    except StrongroomError as error:
        print(error.code, flush=True)
service.close()
"""
