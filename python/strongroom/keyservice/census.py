"""What was counted under a key version, and whether that allows to destroy it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from strongroom.errors import KeyStateForbids

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from strongroom.keystore import CensusRecord, Snapshot, VersionRecord
    from strongroom.model import DataClass


def check_unreferenced(snapshot: Snapshot | None, record: VersionRecord, data_class: DataClass, now: datetime) -> None:
    """Raises KeyStateForbids unless every place was counted lately, and none has a message under this version."""
    places = last_taken(() if snapshot is None else snapshot.census)
    if not places:
        raise refusal(record, "nobody has counted what is under it: `strongroom census PATH…` does")
    live = [counted for counted in snapshot.census if is_of(counted, record) and counted.messages] if snapshot else []
    if live:
        where = ", ".join(f"{counted.messages:,} messages at {counted.place}" for counted in live[:SHOWN])
        raise refusal(record, f"the last census found {where}: move them with `strongroom reencrypt`, and count again")
    oldest = now - timedelta(seconds=data_class.census_age)
    stale = sorted(place for place, taken in places.items() if taken < oldest)
    if stale:
        where = ", ".join(stale[:SHOWN])
        raise refusal(record, f"the last census of {where} is too old: count again, or `census --forget` what is gone")


def last_taken(census: tuple[CensusRecord, ...]) -> Mapping[str, datetime]:
    """When each place was counted."""
    return {counted.place: counted.taken for counted in census}


def is_of(counted: CensusRecord, record: VersionRecord) -> bool:
    """Whether a count is one of a version."""
    return (counted.key_id, counted.version) == (record.key_id, record.version)


def refusal(record: VersionRecord, why: str) -> KeyStateForbids:
    """The error that says why a version may not be destroyed."""
    return KeyStateForbids(f"key {record.key_id} version {record.version} may not be destroyed: {why}")


SHOWN = 5
