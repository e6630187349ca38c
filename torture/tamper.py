"""A log of many entries tampered with: `audit verify` finds every edit, deletion, insertion, swap and truncation.

The log is made by a room. Its entries are edited in every byte, and its files as somebody without the key might edit them; each time the
whole log is verified by its public key, as an auditor does.
"""

from __future__ import annotations

import argparse
import random
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.audit import Denied, Verifier, Who
from strongroom.audit.checkpoint import verify
from strongroom.audit.tiles import TILE, bundle, bundle_name
from strongroom.audit.verifying import verify_log
from strongroom.client.upkeep import Upkeep
from strongroom.crypto import merkle_check, merkle_entries, merkle_includes, merkle_inclusion
from strongroom.errors import AuditTampered, MalformedMessage
from strongroom.home import Unlock, open_room
from strongroom.model import Request

from torture.place import Place, new_place
from torture.report import Report
from torture.traces import files

PROMISE = "every edit, deletion, insertion, swap and truncation of entries in a log is found"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the default takes some seconds, every byte of 10,000 entries some minutes."""
    parser.add_argument("--entries", type=int, default=2000, metavar="N", help="in the log (default: %(default)s)")
    parser.add_argument("--edits", type=int, default=200, metavar="N", help="of each kind (default: %(default)s)")
    parser.add_argument("--every-byte", action="store_true", help="edit every byte and every entry")
    parser.add_argument(
        "--whole",
        type=int,
        default=5000,
        metavar="N",
        help="of so many of these edits one is verified with the whole log (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """Tamper as often as asked for."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report = Report("tamper", PROMISE, notes=[f"--seed {seed}"])
    dice = random.Random(seed)
    with new_place(options.dir) as place:
        log = Log(place, options.entries)
        for kind, edit in KINDS.items():
            for _ in range(options.edits):
                attempt(log, kind, lambda edit=edit: edit(log, dice), report)  # type: ignore[misc] # bound now
        if options.every_byte:
            every_entry(log, report)
            every_byte(log, dice, options.whole, report)
        control(log, report)
        put_back(place, log, report)
    return report


class Log:
    """The log of a room, with so many entries, closed."""

    def __init__(self, place: Place, count: int) -> None:
        self.folder = place.room / "audit"
        fill(place, count)
        self.vkey = (self.folder / "vkey").read_text()
        self.count = self.verified()

    @property
    def last(self) -> int:
        """The number of the last bundle."""
        return (self.count - 1) // TILE

    def verified(self) -> int:
        """How many entries there are, by the public key alone. Raises AuditTampered."""
        return verify_log(self.folder, Verifier.parse(self.vkey)).size

    def entries(self, index: int) -> list[bytes]:
        """The entries of a bundle."""
        return bundle(self.folder, index, min(TILE, self.count - index * TILE))

    def put(self, index: int, entries: list[bytes]) -> None:
        """Write a bundle, under the name that it had."""
        packed = b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)
        (self.folder / bundle_name(index, min(TILE, self.count - index * TILE))).write_bytes(packed)


def fill(place: Place, count: int) -> None:
    """Put entries into the log of a room, as the room does."""
    service = open_room(place.room, Unlock(key_file=place.key))
    who = Who.of(Request("torture", "tamper", "so that there is something to tamper with"), "torture")
    for number in range(count):
        denied = Denied(who=who, action="decrypt", data_class="default", key_id=None, version=None, why=f"no {number}")
        service._sink.note(denied)
    service.close()


def attempt(log: Log, kind: str, edit: Callable[[], None], report: Report) -> None:
    """One edit, found or not."""
    with kept(log.folder):
        edit()
        report.count(kind)
        try:
            log.verified()
        except AuditTampered:
            return
        report.found.append(f"{kind} was not found")


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Everything in the folder is as before at the end."""
    before = {path: path.read_bytes() for path in files(folder)}
    try:
        yield
    finally:
        for path in list(files(folder)):
            if path not in before:
                path.unlink()
        for path, content in before.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)


def edit_byte(log: Log, dice: random.Random) -> None:
    """One bit of one byte of an entry."""
    path = dice.choice(sorted((log.folder / "tile/entries").rglob("*[0-9]")))
    if path.is_dir():
        return edit_byte(log, dice)
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)
    return None


def delete(log: Log, dice: random.Random) -> None:
    """An entry is gone."""
    index = dice.randint(0, log.last)
    entries = log.entries(index)
    del entries[dice.randrange(len(entries))]
    log.put(index, entries)


def insert(log: Log, dice: random.Random) -> None:
    """An entry more, perhaps at the end of a bundle."""
    index = dice.randint(0, log.last)
    entries = log.entries(index)
    entries.insert(dice.randint(0, len(entries)), dice.choice([b"{}", entries[0]]))
    log.put(index, entries)


def swap(log: Log, dice: random.Random) -> None:
    """Two neighbours change places, perhaps from one bundle to the next."""
    number = dice.randrange(log.count - 1)
    (one, at), (other, behind) = divmod(number, TILE), divmod(number + 1, TILE)
    bundles = {index: log.entries(index) for index in (one, other)}
    first, second = bundles[one][at], bundles[other][behind]
    bundles[one][at] = second
    bundles[other][behind] = first
    for index, entries in bundles.items():
        log.put(index, entries)


def truncate(log: Log, dice: random.Random) -> None:
    """A file ends too early, or is not there."""
    path = dice.choice([path for path in sorted(files(log.folder)) if path.name not in UNREAD])
    left = dice.choice([None, 0, dice.randrange(max(1, path.stat().st_size))])
    if left is None:
        path.unlink()
    else:
        path.write_bytes(path.read_bytes()[:left])


def edit_file(log: Log, dice: random.Random) -> None:
    """One bit of any file but the public key, which an auditor brings along."""
    wanted = [path for path in sorted(files(log.folder)) if path.name not in UNREAD]
    path = dice.choice(wanted)
    content = bytearray(path.read_bytes())
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    path.write_bytes(content)


def every_byte(log: Log, dice: random.Random, whole: int, report: Report) -> None:
    """Each byte of each bundle, one bit of it. Of every `whole` edits one is put on the disk, and all of the log verified.

    The others are judged as the verification judges a bundle: it is taken apart, and an entry that is another than before has
    to lead to the root that was signed. What an edit leaves as it was need not be hashed again for each of them.
    """
    until = dice.randrange(whole)
    for index in range(log.last + 1):
        judge = Judge(log, index)
        sound = judge.path.read_bytes()
        report.controls.setdefault("a bundle that nobody touched leads to the root", judge.believes(sound))
        for at in range(len(sound)):
            content = bytearray(sound)
            content[at] ^= 1 << dice.randrange(8)
            report.count("every byte")
            if judge.believes(bytes(content)):
                report.found.append(f"byte {at} of {judge.path.name} was edited, which was not found")
            until -= 1
            if until < 0:
                until = whole - 1
                judge.path.write_bytes(content)
                report.count("of these verified with the whole log")
                if believed(log):
                    report.found.append(f"byte {at} of {judge.path.name} was edited, and the log verifies")
                judge.path.write_bytes(sound)


class Judge:
    """Says whether a bundle would be believed, by the parser and the proofs of the library."""

    def __init__(self, log: Log, index: int) -> None:
        self.path = log.folder / bundle_name(index, min(TILE, log.count - index * TILE))
        self._entries = log.entries(index)
        self._first = index * TILE
        self._tree = verify((log.folder / "checkpoint").read_bytes(), Verifier.parse(log.vkey))
        numbers = range(self._first, self._first + len(self._entries))
        self._paths = [merkle_inclusion(log.folder, number, self._tree.size) for number in numbers]

    def believes(self, content: bytes) -> bool:
        """Whether every entry leads to the root. Each does that is what it was: a proof was verified for it."""
        try:
            entries = merkle_entries(content)
        except (MalformedMessage, AuditTampered):
            return False
        if len(entries) != len(self._entries):
            return False
        changed = [at for at, (one, other) in enumerate(zip(entries, self._entries, strict=True)) if one != other]
        return all(self._leads(at, entries[at]) for at in changed or range(len(entries)))

    def _leads(self, at: int, entry: bytes) -> bool:
        size, root = self._tree.size, self._tree.root
        return merkle_includes(entry, self._first + at, size, self._paths[at], root)


def every_entry(log: Log, report: Report) -> None:
    """Each entry deleted, put in twice, exchanged with the next one, and the last of its bundle. Only that bundle is verified."""
    for index in range(log.last + 1):
        path = log.folder / bundle_name(index, min(TILE, log.count - index * TILE))
        sound, entries = path.read_bytes(), log.entries(index)
        for at, entry in enumerate(entries):
            behind = (at + 1) % len(entries)
            swapped = list(entries)
            swapped[at], swapped[behind] = entries[behind], entry
            for kind, edited in (
                ("every entry deleted", entries[:at] + entries[at + 1 :]),
                ("every entry doubled", [*entries[: at + 1], *entries[at:]]),
                ("every entry exchanged", swapped),
                ("every bundle cut at every entry", entries[:at]),
            ):
                report.count(kind)
                log.put(index, edited)
                if edited != entries and is_sound(log, index):
                    report.found.append(f"{kind}: entry {index * TILE + at}, which was not found")
        path.write_bytes(sound)
    report.controls["after all of these the log verifies again"] = believed(log)


def is_sound(log: Log, index: int) -> bool:
    """Whether a bundle agrees with its tile, as the verification of the whole log has it."""
    try:
        merkle_check(log.folder, index * TILE, min(log.count, (index + 1) * TILE), [])
    except AuditTampered:
        return False
    return True


def believed(log: Log) -> bool:
    """Whether the whole log verifies."""
    try:
        return log.verified() == log.count
    except AuditTampered:
        return False


def control(log: Log, report: Report) -> None:
    """What is not tampered with verifies; and a verifier that believes the tiles would not find an edited entry."""
    report.controls["a log that nobody touched verifies"] = log.verified() == log.count
    with kept(log.folder):
        entries = log.entries(0)
        log.put(0, [entries[1], *entries[1:]])
        with kept(log.folder):
            tile = log.folder / ("tile/0/000" if log.last else f"tile/0/000.p/{log.count}")
            content = tile.read_bytes()
            tile.write_bytes(content[32:64] + content[32:])
            try:
                log.verified()
            except AuditTampered as error:
                report.controls["an entry and its hash, both edited, are found by the level above"] = "tile/" in str(
                    error
                ) or "checkpoint" in str(error)


def put_back(place: Place, log: Log, report: Report) -> None:
    """An older log verifies in itself; the keystore knows better."""
    with kept(log.folder):
        older = {path: path.read_bytes() for path in files(log.folder)}
        fill(place, 3)
        for path in list(files(log.folder)):
            if path not in older:
                path.unlink()
        for path, content in older.items():
            path.write_bytes(content)
        report.count("an older log put back")
        upkeep = Upkeep(place.room, Unlock(key_file=place.key), principal=None, purpose=None)
        for name, look in (("verify", upkeep.verify_audit), ("reconcile", upkeep.reconcile)):
            try:
                look()
            except AuditTampered:
                continue
            report.found.append(f"{name} did not find that an older log was put back")
        report.controls["an older log verifies in itself"] = log.verified() == log.count


# the locks are empty, and the public key is what an auditor brings along
UNREAD = ("lock", "sealing", "vkey")
KINDS: dict[str, Callable[[Log, random.Random], None]] = {
    "edited bytes of entries": edit_byte,
    "deletions": delete,
    "insertions": insert,
    "swaps": swap,
    "truncations": truncate,
    "edited bytes of files": edit_file,
}
