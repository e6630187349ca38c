"""The audit logs of a room: each verified, read from end to end once, and compared with the keystore."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from strongroom.audit import Verifier, entries
from strongroom.audit.cosigning import Cosigner, check_cosigned, last_cosigned
from strongroom.errors import StrongroomError
from strongroom.home import reaches
from strongroom.home.auditing import is_newest, missing, own_log, verified
from strongroom.home.log import folders, identity
from strongroom.home.reckoning import Books, Reckoning
from strongroom.keystore.settings import settings_in
from strongroom.report.evidence import Agreement, LogEvidence, WitnessEvidence

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from strongroom.audit.verifying import VerifiedLog
    from strongroom.keystore import Keystore, Snapshot
    from strongroom.model import Witness
    from strongroom.report.activity import Activity


def read_logs(
    place: Path, room_id: str, keystore: Keystore, activity: Activity
) -> tuple[tuple[LogEvidence, ...], Agreement]:
    """What verifies, and what agrees. Every entry that can be read goes into `activity`."""
    # read before the log, so that what happens meanwhile is in it
    books, snapshot, reckoning = Books.of(keystore), keystore.snapshot(), Reckoning()
    found: list[LogEvidence] = []
    for folder in folders(place):
        evidence = examined(place, folder, room_id, keystore, snapshot)
        if evidence is None:
            continue
        found.append(evidence)
        read(folder, activity, reckoning if evidence.problem is None else None)
    at_hand = {evidence.id for evidence in found}
    absent = [record for log, record in sorted(snapshot.logs.items()) if log not in at_hand]
    found += [LogEvidence(id=record.id, place=record.place, at_hand=False) for record in absent]
    if any(evidence.problem for evidence in found) or activity.incomplete:
        return tuple(found), Agreement(done=False)
    wrong = (*missing(place, absent), *reckoning.wrong(books, Books.of(keystore), whole=not absent))
    agreement = Agreement(
        done=True,
        wrong=wrong,
        entries=reckoning.entries,
        changes=len(reckoning.changes),
        leases=reckoning.leases,
    )
    return tuple(found), agreement


def examined(place: Path, folder: Path, room_id: str, keystore: Keystore, snapshot: Snapshot) -> LogEvidence | None:
    """One log, verified. None for a copy that has gone on elsewhere."""
    try:
        if not is_newest(folder, room_id, keystore):
            return None
        log = identity(folder, room_id)
        if folder.name == "audit":
            log = own_log(place, room_id, snapshot)
        if log is None or log not in snapshot.logs:
            return LogEvidence(id=folder.name, place=str(folder), at_hand=True, problem="it is no log of this room")
        sound = verified(folder, room_id, keystore, log)
        checkpoint = (folder / "checkpoint").read_text()
        settings = settings_in(snapshot.settings)
        problems = {each.name: each.problem for each in reaches(place, settings)} if folder.name == "audit" else {}
        witnesses = tuple(
            replace(each, unreached=problems.get(each.name)) for each in witnessed(folder, sound, settings.witnesses)
        )
    except (StrongroomError, OSError) as error:
        return LogEvidence(id=folder.name, place=str(folder), at_hand=True, problem=str(error))
    return LogEvidence(
        id=log,
        place=snapshot.logs[log].place,
        at_hand=True,
        size=sound.size,
        root=sound.root.hex(),
        waiting=sound.waiting,
        vkey=sound.vkey,
        checkpoint=checkpoint,
        verified=datetime.now(UTC),
        witnesses=witnesses,
    )


def witnessed(folder: Path, sound: VerifiedLog, witnesses: Iterable[Witness]) -> Iterator[WitnessEvidence]:
    """What each witness of the room has cosigned of a log that verifies."""
    for witness in witnesses:
        cosigner, verifier = Cosigner.parse(witness.vkey), Verifier.parse(sound.vkey)
        try:
            if last_cosigned(folder, verifier, cosigner) is None:
                yield WitnessEvidence(name=witness.name)
                continue
            found = check_cosigned(folder, verifier, cosigner, sound.size)
        except StrongroomError as error:
            yield WitnessEvidence(name=witness.name, problem=str(error))
        else:
            yield WitnessEvidence(name=witness.name, size=found.tree.size, time=found.time)


def read(folder: Path, activity: Activity, reckoning: Reckoning | None) -> None:
    """Every entry of a log, as far as it can be read. Those of one that does not verify are not compared with anything."""
    try:
        for line in entries(folder):
            entry = json.loads(line)
            activity.enter(entry if isinstance(entry, dict) else {})
            if reckoning is not None:
                reckoning.enter(entry)
    except (StrongroomError, ValueError) as error:
        activity.incomplete = str(error)
