"""The evidence gathered: the keystore, the log and, where it is asked for, the headers of data. Nothing is written."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from strongroom.client.census import census, merged
from strongroom.crypto import build_info, suites
from strongroom.home import os_user, reaches
from strongroom.home.places import ROOT_FILE
from strongroom.home.upkeep import opened, site
from strongroom.keyservice.counting import NEVER
from strongroom.keyservice.scheduling import tasks_of
from strongroom.keystore.settings import settings_in
from strongroom.providers import RootFile
from strongroom.report.activity import Activity
from strongroom.report.backing import last_backup
from strongroom.report.evidence import CountedPlace, Evidence, UsedSuite, VersionCensus
from strongroom.report.logs import read_logs
from strongroom.report.verdicts import verdicts

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from strongroom.client.results import CensusCount
    from strongroom.home import Unlock
    from strongroom.keystore import CensusRecord, Snapshot
    from strongroom.report.evidence import Period

    StrPath = str | os.PathLike[str]


def gather(home: StrPath | None, unlock: Unlock, period: Period, data: Sequence[StrPath] = ()) -> Evidence:
    """The evidence about the room at `home`: what it holds now, and what was done in the period.

    `data` are files and directories of messages, whose headers are read for the suites that they were written in. A log
    that does not verify, or does not agree with the keystore, is a finding and no error. Raises what keeps the room from
    being opened at all: RoomNotFound, RoomLocked, BadPassphrase, RoomTampered, KeystoreUnavailable.
    """
    activity = Activity(period)
    with site(home, unlock) as (place, room, root), opened(place, room, root) as keystore:
        logs, agreement = read_logs(place, room.id, keystore, activity)
        snapshot, wraps = keystore.snapshot(), keystore.wraps()
        made = snapshot.now(datetime.now(UTC))
        sealed = RootFile(place / ROOT_FILE, room.id).read().at(snapshot.root_version)
        looked = [census(path) for path in data]
        found = merged(row for each in looked for row in each.counts)
        description, settings = snapshot.describe(), settings_in(snapshot.settings)
        target = next((each for each in reaches(place, settings) if not each.is_witness), None)
        evidence = Evidence(
            room=room.id,
            home=str(place.absolute()),
            owner=snapshot.owner,
            **maker(),
            made=made,
            period=period,
            epoch=snapshot.epoch,
            root_version=snapshot.root_version,
            ways=sealed.ways(),
            classes=description.classes,
            keys=description.keys,
            wraps=dict(wraps),
            due=tuple(
                sorted(
                    (task for key_id in snapshot.keys for task in tasks_of(snapshot, key_id, wraps, made)),
                    key=lambda task: (task.when, task.key_id, task.version),
                )
            ),
            activity=activity,
            places=tuple(counted_places(snapshot, made)),
            census=tuple(version_census(snapshot)),
            backup=last_backup(place, room, snapshot, activity),
            data=tuple(each.place for each in looked),
            data_unread=sum(len(each.unread) for each in looked),
            found=found,
            suites=tuple(used_suites(snapshot, found, made)),
            logs=logs,
            agreement=agreement,
            forwarding=settings.forwarding,
            behind=0 if target is None else target.behind,
            unreached=None if target is None else target.problem,
        )
    return replace(evidence, verdicts=tuple(verdicts(evidence)))


def maker() -> dict[str, Any]:
    """Who makes the report, where, with what."""
    import platform

    return {"host": platform.node(), "user": os_user(), "library": build_info()["core"]}


def counted_places(snapshot: Snapshot, now: datetime) -> Iterator[CountedPlace]:
    """Every place that was counted, by name."""
    ages = [data_class.census_age for data_class in snapshot.classes.values()]
    for record in sorted(snapshot.census, key=lambda record: record.place):
        if record.key_id:
            continue
        taken = None if record.taken == NEVER else record.taken
        yield CountedPlace(
            place=record.place,
            taken=taken,
            fresh=taken is not None and (now - taken).total_seconds() <= min(ages, default=0),
            messages=record.messages,
            bytes=record.bytes,
            files=record.files,
        )


def version_census(snapshot: Snapshot) -> Iterator[VersionCensus]:
    """What was found under each key version, all places together; also where that is nothing."""
    if not snapshot.census:
        return
    counted: dict[tuple[str, int], list[CensusRecord]] = {}
    for row in snapshot.census:
        counted.setdefault((row.key_id, row.version), []).append(row)
    for (key_id, number), version in sorted(snapshot.versions.items()):
        rows = counted.get((key_id, number), [])
        yield VersionCensus(
            data_class=snapshot.key(key_id).data_class,
            key_id=key_id,
            version=number,
            state=str(version.state),
            messages=sum(row.messages for row in rows),
            bytes=sum(row.bytes for row in rows),
            files=sum(row.files for row in rows),
            places=sum(row.messages > 0 for row in rows),
        )


def used_suites(snapshot: Snapshot, found: Iterable[CensusCount], now: datetime) -> Iterator[UsedSuite]:
    """The suites that classes write or that data was found in, those past their last year marked."""
    rows = list(found)
    for suite in suites():
        classes = tuple(sorted(name for name, each in snapshot.classes.items() if each.suite == suite.id))
        under = [row for row in rows if row.suite == suite.id]
        if classes or under:
            yield UsedSuite(
                suite=suite,
                classes=classes,
                messages=sum(row.messages for row in under),
                bytes=sum(row.bytes for row in under),
                past=suite.not_after is not None and suite.not_after < now.year,
            )
