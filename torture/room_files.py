"""Every file of a room and a backup of it edited: they open as they were, or say in one of their own errors why they do not.

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
from strongroom.home import NewWay, Unlock, opening
from strongroom.recovery import create_backup, verify_backup

from torture.differential.edits import cut, drop, duplicate, flip, insert, put
from torture.differential.originals import Original
from torture.place import Place, new_place
from torture.report import Report

PROMISE = "a room or a backup whose files were edited opens as it was, or is refused with a typed error"


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
        self.backup = place.folder / "backup"
        with place.open() as room:
            self.message = room.encrypt(PLAINTEXT)
            room.ways.add(NewWay(quorum=(2, 3), share_directory=place.folder / "shares"))
            create_backup(room, self.backup)
        self.restored()
        self.said, self.kept = self.ask(), self.restored()
        inside = [path for path in place.room.rglob("*") if path.is_file()]
        anchors = [path for path in place.state.rglob("*") if path.is_file() and path.suffix != ".lock"]
        self.paths = sorted([*inside, *anchors, self.backup], key=lambda path: path.name)

    def ask(self) -> object:
        """What the room says of its keys and of a message, without writing anything that is not new each time."""
        with self.place.open() as room:
            return room.decrypt(self.message), repr(room.keys.list()), repr(room.classes.list())

    def restored(self) -> object:
        """What the backup holds, restored in a directory of its own."""
        backup = verify_backup(self.backup, self.place.room, Unlock(key_file=self.place.key))
        return backup.state, backup.keys, backup.versions, backup.keks

    def is_as_before(self, path: Path) -> bool:
        """Whether what an edited file is read for is what it was."""
        return self.restored() == self.kept if path == self.backup else self.ask() == self.said


@contextmanager
def put_back(path: Path, place: Place) -> Iterator[bytes]:
    """The content of a file; everything in the room and beside it is as before at the end."""
    folders = (place.room, place.state)
    before = {found: found.read_bytes() for folder in folders for found in folder.rglob("*") if found.is_file()}
    before[path] = path.read_bytes()
    try:
        yield before[path]
    finally:
        for folder in folders:
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
        outcome = judge(sound, path)
    name = "anchor" if path.is_relative_to(sound.place.state) else path.name
    report.count(f"{name}: {'refused' if outcome == REFUSED else 'opened'}")
    if outcome not in {REFUSED, AS_BEFORE}:
        report.found.append(f"{name}: {outcome}: {edited[:400]!r}")


def judge(sound: Sound, path: Path) -> str:
    """What comes of opening the room, or the backup, as it stands."""
    try:
        return AS_BEFORE if sound.is_as_before(path) else "it says something else"
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
