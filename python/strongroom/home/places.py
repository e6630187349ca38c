"""Where things are on this host, and whose they are."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

ROOM_FILE = "room.json"
ROOT_FILE = "root.json"
KEYSTORE_FILE = "keystore.db"
BACKUP_FILE = "backup.json"
AUDIT_DIRECTORY = "audit"
VKEY_FILE = "vkey"


def default_home() -> Path:
    """Where the room is if nobody says otherwise: STRONGROOM_HOME, or the user's data directory."""
    given = os.environ.get("STRONGROOM_HOME")
    if given:
        return Path(given)
    from platformdirs import user_data_path

    return user_data_path("strongroom")


def anchors_directory() -> Path:
    """Where this host keeps epoch anchors: under STRONGROOM_STATE, or the user's state directory."""
    given = os.environ.get("STRONGROOM_STATE")
    if given:
        return Path(given) / "anchors"
    from platformdirs import user_state_path

    return user_state_path("strongroom") / "anchors"


def as_home(home: str | bytes | os.PathLike[str] | os.PathLike[bytes] | None) -> Path:
    """`home` as a path, the default for None."""
    return default_home() if home is None else Path(os.fsdecode(home))


def os_user() -> str:
    """The user whom this process acts for, from the kernel and the password database, never from the environment."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return nameless_user()


def os_user_beside(owner: str) -> str:
    """The same, to be compared with the owner of a room: who made it where the database named nobody owns it."""
    return owner if owner == nameless_user() else os_user()


def nameless_user() -> str:
    """What a user is called whom the password database does not name, or cannot."""
    return f"uid:{os.geteuid()}"
