"""Whether the room could be restored: the backup that was verified last, and what is younger than it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.home import last_verified, root_digest
from strongroom.home.places import ROOT_FILE
from strongroom.keystore import glance
from strongroom.providers import RootFile
from strongroom.report.activity import moment
from strongroom.report.evidence import BackupEvidence

if TYPE_CHECKING:
    from pathlib import Path

    from strongroom.home import RoomFile
    from strongroom.keystore import Snapshot
    from strongroom.report.activity import Activity


def last_backup(place: Path, room: RoomFile, snapshot: Snapshot, activity: Activity) -> BackupEvidence:
    """What `backup.json` says, which nothing authenticates, and whether the log says so too."""
    standing = last_verified(place)
    if standing is None:
        return BackupEvidence(missing=tuple(named(key_id, number) for key_id, number in sorted(snapshot.versions)))
    taken = moment(standing.taken)
    sealed = RootFile(place / ROOT_FILE, room.id).read().at(snapshot.root_version)
    holds_all_keys = standing.keys == glance(room.place(place), room.id).keys
    # its time is to the second, so what was made within that may be in it
    younger = (
        named(key_id, number)
        for (key_id, number), version in sorted(snapshot.versions.items())
        if not holds_all_keys and (taken is None or version.created > taken)
    )
    return BackupEvidence(
        id=standing.backup,
        taken=taken,
        verified=moment(standing.verified),
        logged=standing.backup in activity.backups,
        holds_all_keys=holds_all_keys,
        opens_by_all_ways=standing.root == root_digest(sealed.to_json()),
        missing=tuple(younger),
    )


def named(key_id: str, version: int) -> str:
    """A key version as EDKs name it."""
    return f"{key_id}/{version}"
