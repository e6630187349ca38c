"""What was done in a period, counted entry by entry in memory that does not grow with the log."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from strongroom import errors

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from strongroom.report.evidence import Period

    Entry = Mapping[str, Any]

Sums = TypeVar("Sums")
NEWEST = 500


@dataclass(slots=True)
class Use:
    """What somebody did with keys: leases, by what they were for, and the messages and bytes that they served."""

    encrypting: int = 0
    decrypting: int = 0
    moving: int = 0
    messages: int = 0
    bytes: int = 0
    first: datetime | None = None
    last: datetime | None = None

    @property
    def leases(self) -> int:
        """All of them."""
        return self.encrypting + self.decrypting + self.moving


@dataclass(slots=True)
class Times:
    """How often something happened, and when first and last."""

    count: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change of keys or of the room, as its entry tells it."""

    time: datetime
    event: str
    principal: str
    reason: str
    about: str


class Groups(Generic[Sums]):
    """Sums by names, of which there may be any number: once `MOST` are known, what is new goes to `others`."""

    def __init__(self, make: Callable[[], Sums]) -> None:
        self._make = make
        self._known: dict[tuple[str, ...], Sums] = {}
        self.others = make()
        self.overflowed = False

    def of(self, *names: object) -> Sums:
        """The sums of these names. Long ones are cut, so that they do not fill the memory either."""
        name = tuple(short(each) for each in names)
        found = self._known.get(name)
        if found is not None:
            return found
        if len(self._known) >= MOST:
            self.overflowed = True
            return self.others
        return self._known.setdefault(name, self._make())

    def ranked(self, weight: Callable[[Sums], int]) -> list[tuple[tuple[str, ...], Sums]]:
        """All of them, the heaviest first."""
        return sorted(self._known.items(), key=lambda item: (-weight(item[1]), item[0]))

    def __len__(self) -> int:
        return len(self._known)


class Timeline:
    """Counts by spans of a period, for each of some series."""

    def __init__(self, period: Period) -> None:
        length = period.end - period.start
        self.step = next((step for step in STEPS if length / step <= MOST_SPANS), length / MOST_SPANS)
        self.starts = list(starts(period, self.step))
        self.series: dict[str, list[int]] = {}

    def add(self, time: datetime, series: str) -> None:
        """Count one."""
        if series not in self.series and len(self.series) >= MOST:
            series = OTHERS
        counts = self.series.setdefault(series, [0] * len(self.starts))
        counts[min(int((time - self.starts[0]) / self.step), len(counts) - 1)] += 1


@dataclass(slots=True)
class Activity:
    """What the entries of a period say. `entries` counts those of the period, `seen` all that were read."""

    period: Period
    seen: int = 0
    entries: int = 0
    events: dict[str, int] = field(default_factory=dict)
    use: Groups[Use] = field(default_factory=lambda: Groups(Use))
    reasons: Groups[Times] = field(default_factory=lambda: Groups(Times))
    refusals: Groups[Times] = field(default_factory=lambda: Groups(Times))
    changes: deque[Change] = field(default_factory=lambda: deque(maxlen=NEWEST))
    changed: int = 0
    denied: int = 0
    failed: int = 0
    backups: dict[str, datetime] = field(default_factory=dict)
    released: Timeline = field(init=False)
    refused: Timeline = field(init=False)
    incomplete: str | None = None

    def __post_init__(self) -> None:
        self.released, self.refused = Timeline(self.period), Timeline(self.period)

    def enter(self, entry: Entry) -> None:
        """Count one entry. Members that it does not have, or of a kind that nobody knows, count for nothing."""
        self.seen += 1
        time, event = moment(entry.get("time")), str(entry.get("event"))
        if event == "backup-verified" and time is not None:
            self._verified(str(entry.get("backup")), time)
        if time is None or not self.period.start <= time < self.period.end:
            return
        self.entries += 1
        if event in self.events or len(self.events) < MOST:
            self.events[event] = self.events.get(event, 0) + 1
        match event:
            case "lease-opened":
                self._opened(entry, time)
            case "lease-closed":
                self._closed(entry, time)
            case "denied":
                self._refused(entry, time, "denied", entry.get("action"), entry.get("why"))
            case "unlock-failed":
                self._refused(entry, time, "failed", "unlock", entry.get("error"))
            case "failed":
                self._refused(entry, time, "failed", entry.get("action"), entry.get("error"))
            case _ if event not in OF_THE_LOG:
                self._changed(entry, time, event)

    def _opened(self, entry: Entry, time: datetime) -> None:
        data_class = entry.get("data_class")
        use = self.use.of(entry.get("principal"), data_class, entry.get("purpose"))
        match entry.get("action"):
            case "generate-dek":
                use.encrypting += 1
            case "reencrypt":
                use.moving += 1
            case _:
                use.decrypting += 1
        use.first, use.last = use.first or time, time
        count(self.reasons.of(entry.get("reason") or ""), time)
        self.released.add(time, short(data_class))

    def _closed(self, entry: Entry, time: datetime) -> None:
        use = self.use.of(entry.get("principal"), entry.get("data_class"), entry.get("purpose"))
        use.messages += number(entry.get("messages"))
        use.bytes += number(entry.get("bytes"))
        outcome = str(entry.get("outcome"))
        if outcome in CODES:
            self._refused(entry, time, "failed", "use a data key", outcome)

    def _refused(self, entry: Entry, time: datetime, how: str, action: object, why: object) -> None:
        self.denied += how == "denied"
        self.failed += how == "failed"
        self.refused.add(time, how)
        count(self.refusals.of(how, entry.get("principal"), action, entry.get("data_class") or "", why), time)

    def _changed(self, entry: Entry, time: datetime, event: str) -> None:
        self.changed += 1
        about = " ".join(f"{name}={spelled(value)}" for name, value in entry.items() if name not in COMMON)
        self.changes.append(
            Change(
                time=time,
                event=event,
                principal=short(entry.get("principal")),
                reason=short(entry.get("reason") or ""),
                about=short(about),
            )
        )

    def _verified(self, backup: str, time: datetime) -> None:
        self.backups.pop(backup, None)
        if len(self.backups) >= MOST:
            self.backups.pop(next(iter(self.backups)))
        self.backups[backup] = time


def count(times: Times, time: datetime) -> None:
    """One more."""
    times.count += 1
    times.first, times.last = times.first or time, time


def starts(period: Period, step: timedelta) -> Iterator[datetime]:
    """Where the spans of a period begin."""
    at = period.start
    while at < period.end:
        yield at
        at += step


def moment(value: object) -> datetime | None:
    """The time of an entry, None for what is none."""
    try:
        return datetime.fromisoformat(str(value)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def number(value: object) -> int:
    """A count in an entry; those beyond a double stand there as text."""
    if isinstance(value, str) and value.isdecimal() and len(value) < LONGEST_NUMBER:
        return int(value)
    return value if isinstance(value, int) else 0


def spelled(value: object) -> str:
    """A member of an entry for people."""
    match value:
        case list():
            return ",".join(map(spelled, value))
        case dict():
            return f"({' '.join(f'{name}={spelled(each)}' for name, each in value.items())})"
        case _:
            return str(value)


def short(value: object) -> str:
    """A text that fits on a page."""
    text = str(value)
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def codes(error: type[errors.StrongroomError]) -> Iterator[str]:
    """The stable words of an error and of all that derive from it."""
    yield error.code
    for narrower in error.__subclasses__():
        yield from codes(narrower)


MOST, LONGEST, LONGEST_NUMBER = 4096, 300, 25
MOST_SPANS = 62
OTHERS = "others"
STEPS = tuple(timedelta(hours=hours) for hours in (1, 6, 24, 7 * 24, 28 * 24, 91 * 24, 365 * 24))
CODES = frozenset((*codes(errors.StrongroomError), "internal"))
OF_THE_LOG = frozenset({"log-started", "recovered", "writer-started", "writer-stopped"})
COMMON = frozenset(
    {"schema", "event", "id", "time", "principal", "purpose", "reason", "actor", "host", "process", "library"}
    | {"request", "trace"}
)
