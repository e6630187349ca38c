"""The nouns of an evidence report. What stands in them is what is printed: the page and the JSON say the same."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from strongroom.client.results import CensusCount
    from strongroom.crypto import Suite
    from strongroom.keyservice import DueTask
    from strongroom.model import DataClass, Key, Way
    from strongroom.report.activity import Activity


class Grade(StrEnum):
    """How a check came out: as it should, in need of somebody's eye, or not as it should."""

    SOUND = "sound"
    ATTENTION = "attention"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One check of the summary: what was looked at, how it came out, and why in a sentence."""

    title: str
    grade: Grade
    says: str


@dataclass(frozen=True, slots=True)
class Period:
    """From `start` on, and before `end`."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class WitnessEvidence:
    """A witness of a log, and how much of it that has cosigned: `time` is None for nothing, `problem` for another log.

    `unreached` is what went wrong when it was asked last.
    """

    name: str
    size: int = 0
    time: datetime | None = None
    problem: str | None = None
    unreached: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvidence:
    """An audit log of the room: where it is, and what verifying it gave.

    `problem` is the first thing that is wrong, None if there is nothing; then the rest says what was verified, when, and by
    which key. A log that is not `at_hand` was not looked at.
    """

    id: str
    place: str
    at_hand: bool
    problem: str | None = None
    size: int = 0
    root: str = ""
    waiting: int = 0
    vkey: str = ""
    checkpoint: str = ""
    verified: datetime | None = None
    witnesses: tuple[WitnessEvidence, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Log and keystore compared: what does not agree, and how much was compared. `done` unless a log did not verify."""

    done: bool
    wrong: tuple[str, ...] = ()
    entries: int = 0
    changes: int = 0
    leases: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionCensus:
    """What the last censuses of all places found under a key version."""

    data_class: str
    key_id: str
    version: int
    state: str
    messages: int
    bytes: int
    files: int
    places: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CountedPlace:
    """A place that was counted. `taken` is None where the count was not complete; `fresh`: young enough to destroy a key by."""

    place: str
    taken: datetime | None
    fresh: bool
    messages: int
    bytes: int
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupEvidence:
    """The backup that was verified last, all None if none was. `logged` says that the audit log knows of its verification.

    `missing` are the key versions that are younger than it, as `key id/version`.
    """

    id: str | None = None
    taken: datetime | None = None
    verified: datetime | None = None
    logged: bool = False
    holds_all_keys: bool = False
    opens_by_all_ways: bool = False
    missing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UsedSuite:
    """An algorithm suite in use: by which classes for new data, and what was found under it in the data that was looked at."""

    suite: Suite
    classes: tuple[str, ...]
    messages: int
    bytes: int
    past: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that a report says. What the room holds is as of `made`; what was done is of the period.

    `data` are the places whose headers were read for the suites in use, and `data_unread` how many files there could not be.
    `behind` is how many entries the place that entries are forwarded to has not got, `unreached` what went wrong when it was told last.
    """

    room: str
    home: str
    owner: str
    host: str
    user: str
    library: str
    made: datetime
    period: Period
    epoch: int
    root_version: int
    ways: tuple[Way, ...]
    classes: tuple[DataClass, ...]
    keys: tuple[Key, ...]
    wraps: dict[tuple[str, int], int]
    due: tuple[DueTask, ...]
    activity: Activity
    places: tuple[CountedPlace, ...]
    census: tuple[VersionCensus, ...]
    backup: BackupEvidence
    data: tuple[str, ...]
    data_unread: int
    found: Sequence[CensusCount]
    suites: tuple[UsedSuite, ...]
    logs: tuple[LogEvidence, ...]
    agreement: Agreement
    forwarding: str | None
    behind: int
    unreached: str | None
    verdicts: tuple[Verdict, ...] = ()

    @property
    def is_sound(self) -> bool:
        """Whether every log verifies, and agrees with the keystore."""
        return self.agreement.done and not self.agreement.wrong
