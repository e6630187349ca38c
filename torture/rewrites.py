"""A log rewritten with the stolen root of its room: a witness refuses what nothing else can tell, and an older log is found.

A thief who can open the room takes an entry out of its log, puts another in its place or one more before it, builds the
whole tree anew, signs it with the log's own key and lets the keystore remember it. Or the log is put back to what it was.
"""

from __future__ import annotations

import argparse
import random
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from strongroom.audit import AuditLog, Tree, entries
from strongroom.audit.checkpoint import EMPTY
from strongroom.client.upkeep import Upkeep
from strongroom.errors import AuditTampered
from strongroom.home import Unlock, auditing, open_room
from strongroom.home.log import RoomNotary, identity
from strongroom.home.opening import read_room_id
from strongroom.keystore import LogHead

from torture.place import Place, new_place
from torture.report import Report
from torture.witness import Witness, serving

PROMISE = "no log that a witness has not seen passes for the room's, and no older one"


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the default takes some seconds."""
    parser.add_argument("--rewrites", type=int, default=5, metavar="N", help="whole logs (default: %(default)s)")
    parser.add_argument("--put-back", type=int, default=5, metavar="N", help="older logs (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=None, help="of every random choice (default: a new one)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """Rewrite and put back as often as asked for."""
    seed = secrets.randbits(32) if options.seed is None else options.seed
    report, dice = Report("rewrites", PROMISE, notes=[f"--seed {seed}"]), random.Random(seed)
    with new_place(options.dir) as place, serving(Witness(logs=[vkey(place)])) as witness:
        with place.open() as room:
            room.settings.add_witness(witness.vkey, witness.url)
        use(place, dice.randint(3, 20))
        for _ in range(options.rewrites):
            rewrite(place, witness, dice, report)
            use(place, dice.randint(1, 5))
        for _ in range(options.put_back):
            put_back(place, witness, dice, report)
    return report


def rewrite(place: Place, witness: Witness, dice: random.Random, report: Report) -> None:
    """One rewritten log: sound by all that the room knows, and refused by the witness, whether its notes are kept or not."""
    with kept(place, witness):
        kind = dice.choice(sorted(EDITS))
        forge(place, EDITS[kind](list(entries(place.room / "audit")), dice))
        # nothing that the room has says that this is not its log: without that, there would be nothing to catch
        sound = not upkeep(place).reconcile().wrong and upkeep(place).verify_audit().size > 0
        report.controls["a rewritten log verifies without its witness"] = (
            report.controls.get("a rewritten log verifies without its witness", True) and sound
        )
        if dice.random() < 0.5:
            shutil.rmtree(place.room / "audit" / "witness")
        report.count(f"{kind}, all of it signed anew")
        judge(place, witness, kind, report)


def judge(place: Place, witness: Witness, kind: str, report: Report) -> None:
    """Whether the cosignature is demanded in vain, and the witness gives none."""
    try:
        auditing.verify_witnessed(place.room, upkeep(place).verify_audit(), [witness.vkey])
        report.found.append(f"{kind}: it verifies with a cosignature")
    except AuditTampered:
        pass
    ((_, came),) = upkeep(place).push()
    if not isinstance(came, AuditTampered):
        report.found.append(f"{kind}: the witness says {came}")


def put_back(place: Place, witness: Witness, dice: random.Random, report: Report) -> None:
    """An older log in its place; and with it the whole room and this host's memory, of which the witness alone can tell."""
    with kept(place, witness):
        older = place.folder / "older"
        for name in ("room", "state"):
            shutil.copytree(place.folder / name, older / name)
        use(place, dice.randint(1, 5))
        shutil.rmtree(place.room / "audit")
        shutil.copytree(older / "room" / "audit", place.room / "audit")
        report.count("older logs put back")
        for look in (upkeep(place).reconcile, upkeep(place).verify_audit):
            try:
                look()
                report.found.append(f"an older log passes {look.__name__}")
            except AuditTampered:
                pass
        for name in ("room", "state"):
            shutil.rmtree(place.folder / name)
            shutil.copytree(older / name, place.folder / name)
        report.count("older rooms put back, with the memory of their host")
        sound = not upkeep(place).reconcile().wrong
        report.controls["an older room is sound to itself"] = sound
        ((_, came),) = upkeep(place).push()
        if not isinstance(came, AuditTampered):
            report.found.append(f"an older room was put back, and the witness says {came}")
        shutil.rmtree(older)


class Thief(RoomNotary):
    """Signs with the log's key, and remembers nothing of what was."""

    tree = EMPTY

    def remembered(self) -> Tree:
        """See Notary.remembered."""
        return self.tree

    def remember(self, before: Tree, after: Tree) -> None:
        """See Notary.remember."""
        self.tree = after


def forge(place: Place, wanted: list[bytes]) -> None:
    """Put a log of these entries in the place of the one that was, with a head in the keystore that fits."""
    folder, room_id = place.room / "audit", read_room_id(place.room)
    service = open_room(place.room, Unlock(key_file=place.key))
    keystore, log = service._keystore, identity(folder, room_id) or ""
    before, thief = keystore.log_head(log), Thief(keystore, room_id, log)
    for name in ("checkpoint", "pending"):
        (folder / name).unlink()
    shutil.rmtree(folder / "tile")
    forged = AuditLog(folder, "thief", thief)
    forged.send([entry + b"\n" for entry in wanted])
    forged.close()
    keystore.advance_log(log, before, LogHead(thief.tree.size, thief.tree.root))
    service._root.close()
    keystore.close()


def leave_out(found: list[bytes], dice: random.Random) -> list[bytes]:
    """All entries of a lease are gone."""
    lease = dice.choice([entry for entry in found if b'"lease-opened"' in entry]).partition(b'"lease":"')[2][:32]
    return [entry for entry in found if lease not in entry]


def reword(found: list[bytes], dice: random.Random) -> list[bytes]:
    """A reason is another."""
    at = dice.choice([at for at, entry in enumerate(found) if b'"reason":"torture"' in entry])
    return [*found[:at], found[at].replace(b'"reason":"torture"', b'"reason":"a good one"'), *found[at + 1 :]]


def move(found: list[bytes], dice: random.Random) -> list[bytes]:
    """An entry stands elsewhere."""
    at = dice.choice([at for at, entry in enumerate(found) if b'"backup-verified"' in entry or b'"census-' in entry])
    return [*found[:at], *found[at + 1 :], found[at]]


EDITS = {"a lease left out": leave_out, "a reason reworded": reword, "an entry moved": move}


@contextmanager
def kept(place: Place, witness: Witness) -> Iterator[None]:
    """Room, memory of the host and witness are as before at the end."""
    seen = dict(witness.seen)
    copy = place.folder / "kept"
    for name in ("room", "state"):
        shutil.copytree(place.folder / name, copy / name)
    try:
        yield
    finally:
        for name in ("room", "state"):
            shutil.rmtree(place.folder / name)
            (copy / name).rename(place.folder / name)
        copy.rmdir()
        witness.seen = seen


def use(place: Place, times: int) -> None:
    """Some leases, and something else to move; the witness sees it at the end."""
    with place.open() as room:
        for number in range(times):
            room.encrypt(b"x", context={"n": str(number)}, reason="torture")
        room.backup_verified("0" * 32, 1, "0" * 64, reason="torture")


def upkeep(place: Place) -> Upkeep:
    """The room looked after."""
    return Upkeep(place.room, Unlock(key_file=place.key), principal=None, purpose=None)


def vkey(place: Place) -> str:
    """The public key of the room's log."""
    return (place.room / "audit" / "vkey").read_text().strip()
