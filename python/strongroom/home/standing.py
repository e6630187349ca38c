"""Which backup of a room was verified last: `backup.json` in the room. Not authenticated, since it only reminds.

Specified in docs/spec/backup.md, "backup.json".
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from strongroom.errors import StrongroomError
from strongroom.files import NOT_OURS, write_private
from strongroom.home.opening import read_room
from strongroom.home.places import BACKUP_FILE, ROOT_FILE
from strongroom.keystore import glance
from strongroom.providers import RootFile

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """A backup that was verified: `keys` and `root` say what it holds of keys, and of ways into the room."""

    backup: str
    taken: str
    verified: str
    epoch: int
    keys: str
    root: str


def note_verified(home: Path, standing: Standing) -> None:
    """Remember `standing` in the room."""
    write_private(home / BACKUP_FILE, json.dumps({"format": 1, **asdict(standing)}, indent=2).encode() + b"\n")


def last_verified(home: Path) -> Standing | None:
    """The backup that was verified last, None if none was or nobody can say."""
    try:
        document = json.loads((home / BACKUP_FILE).read_bytes())
        return Standing(**{name: document[name] for name in Standing.__slots__})
    except (OSError, *NOT_OURS):
        return None


def reminder(home: Path) -> str | None:
    """What to say to someone whose room could not be restored as it is now. Looks only, needs no key."""
    try:
        room = read_room(home)
        now = glance(room.place(home), room.id)
        root = root_digest(RootFile(home / ROOT_FILE, room.id).read().at(now.root_version).to_json())
    except (OSError, StrongroomError):
        # whoever opens the room hears what is wrong with it
        return None
    standing = last_verified(home)
    if standing is None:
        return "no backup of this room was ever verified"
    if standing.keys != now.keys:
        return f"the last backup that was verified, of {standing.taken}, is older than the newest change of keys"
    if standing.root != root:
        return f"what opens this room has changed since the last backup that was verified, of {standing.taken}"
    return None


def root_digest(sealed: dict[str, object]) -> str:
    """What a sealed root says, in one number."""
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()
