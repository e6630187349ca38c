"""Every file of a room edited: the room opens as it was, or says in one of its own errors why it does not.

Bytes are edited as a disk or a stranger might; in JSON, values are also replaced by ones that no writer writes. Rust parses
the keys inside, which `fuzz/claims` breaks (target `room`).
"""

from __future__ import annotations

import argparse
import json
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from strongroom.errors import StrongroomError
from strongroom.home import opening

from torture.differential.edits import cut, drop, duplicate, flip, insert, put
from torture.differential.originals import Original
from torture.place import Place, new_place
from torture.report import Report

PROMISE = "a room whose files were edited opens as it was, or is refused with a typed error"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the default takes half a minute."""
    parser.add_argument("--edits", type=int, default=300, metavar="N", help="of each file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """Edit each file as often as asked for."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("room_files", PROMISE, notes=[f"--seed {seed}; a room's ids and keys are new in each run"])
    dice = random.Random(seed)
    with new_place(options.dir) as place:
        sound = Sound(place)
        for path in sound.paths:
            for _ in range(options.edits):
                attempt(dice, path, sound, report)
        control(dice, sound, report)
    return report


class Sound:
    """A room before any edit, and what it said then."""

    def __init__(self, place: Place) -> None:
        """Use the room once, so that every file is there."""
        self.place = place
        with place.open() as room:
            self.message = room.encrypt(PLAINTEXT)
        self.said = self.ask()
        inside = [path for path in place.room.rglob("*") if path.is_file()]
        anchors = [path for path in place.state.rglob("*") if path.is_file() and path.suffix != ".lock"]
        self.paths = sorted([*inside, *anchors], key=lambda path: path.name)

    def ask(self) -> object:
        """What the room says of its keys and of a message, without writing anything that is not new each time."""
        with self.place.open() as room:
            return room.decrypt(self.message), repr(room.keys.list()), repr(room.classes.list())


@contextmanager
def put_back(path: Path, place: Place) -> Iterator[bytes]:
    """The content of a file; everything in the room and beside it is as before at the end."""
    before = {
        path: path.read_bytes() for folder in (place.room, place.state) for path in folder.rglob("*") if path.is_file()
    }
    try:
        yield before[path]
    finally:
        for folder in (place.room, place.state):
            for found in folder.rglob("*"):
                if found.is_file() and found not in before:
                    found.unlink()
        for file, content in before.items():
            if not file.exists() or file.read_bytes() != content:
                file.write_bytes(content)


def attempt(dice: random.Random, path: Path, sound: Sound, report: Report) -> None:
    """One edit of one file."""
    with put_back(path, sound.place) as content:
        edited = edit(dice, content)
        path.write_bytes(edited)
        outcome = judge(sound)
    name = path.name if path.is_relative_to(sound.place.room) else "anchor"
    report.count(f"{name}: {'refused' if outcome == REFUSED else 'opened'}")
    if outcome not in {REFUSED, AS_BEFORE}:
        report.found.append(f"{name}: {outcome}: {edited[:400]!r}")


def judge(sound: Sound) -> str:
    """What comes of opening the room as it stands."""
    try:
        return AS_BEFORE if sound.ask() == sound.said else "the room says something else"
    except StrongroomError:
        return REFUSED
    except Exception as error:  # noqa: BLE001 - an error of another kind is what is looked for
        return f"{type(error).__name__}: {error}"


def edit(dice: random.Random, content: bytes) -> bytes:
    """One edit, of the bytes or of the document in them."""
    if content.startswith(b"{") and dice.random() < HALF:
        return replaced(dice, content)
    change = dice.choice(BYTES)
    return change(dice, Original(content or b"\0", (), 0), [])


def replaced(dice: random.Random, content: bytes) -> bytes:
    """A value of a JSON document, at any depth, replaced by a hostile one; of a file of lines, in the first."""
    first, *rest = content.split(b"\n") if content.count(b"\n{") else (content, b"")
    document = json.loads(first)
    container, key = dice.choice(list(places(document)))
    # a marker, since what is put there need not be what a JSON writer can write
    if dice.random() < RENAMED and isinstance(container, dict):
        container[MARK] = container.pop(key)
    else:
        container[key] = MARK
    hostile = dice.choice(HOSTILE)
    text = json.dumps(document).replace(json.dumps(MARK), hostile, 1)
    return b"\n".join((text.encode(), *rest))


def places(document: Any) -> Iterator[tuple[Any, Any]]:
    """Every place of a value in a document."""
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield document, key
        yield from places(value)


def control(dice: random.Random, sound: Sound, report: Report) -> None:
    """A reader that believes what stands in `room.json` must be found out."""
    careful = opening.read_room
    path = sound.place.room / "room.json"
    vars(opening)["read_room"] = lambda home: opening.RoomFile(
        json.loads((home / "room.json").read_bytes())["room"], None, ""
    )
    try:
        trial = Report("control", PROMISE)
        for _ in range(CONTROLS):
            attempt(dice, path, sound, trial)
    finally:
        vars(opening)["read_room"] = careful
    report.controls["a reader that believes what stands in room.json"] = bool(trial.found)


PLAINTEXT = b"what the room keeps"
REFUSED, AS_BEFORE = "refused", "as before"
HALF, RENAMED = 0.5, 0.1
CONTROLS = 40
MARK = "<here>"
BYTES = (flip, put, cut, drop, insert, duplicate)
# as they stand in a document
HOSTILE = (
    "null",
    "true",
    "-1",
    "0",
    "1e400",
    "-1e400",
    "NaN",
    "1.5",
    "18446744073709551616",
    "9" * 5000,
    '""',
    '"\\u0000"',
    '"\\ud800"',
    '"' + "f" * 100_000 + '"',
    "[]",
    "{}",
    "[[]]",
    '{"a": {}}',
    "[" * 100_000,
    '{"a":' * 100_000,
    "[" * 900 + "]" * 900,
)
