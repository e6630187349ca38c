"""Cryptoperiods: when time lets a key version do something, forbids it, or wants somebody to act. No clock: `now` is given.

Source: NIST SP 800-57 part 1 rev. 5, section 5.3. The originator-usage period is how long a version may encrypt, the
recipient-usage period how long it may decrypt; both begin when the version is activated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from strongroom.keys.lifecycle import Edge, Move, Operation, edge, may
from strongroom.model import KeyState

if TYPE_CHECKING:
    from collections.abc import Iterator


class Life(Protocol):
    """What these rules ask of a key version."""

    @property
    def state(self) -> KeyState: ...  # noqa: D102 - see model.KeyVersion
    @property
    def activates(self) -> datetime | None: ...  # noqa: D102 - see model.KeyVersion
    @property
    def activated(self) -> datetime | None: ...  # noqa: D102 - see model.KeyVersion
    @property
    def active_until(self) -> datetime | None: ...  # noqa: D102 - see model.KeyVersion
    @property
    def destroy_at(self) -> datetime | None: ...  # noqa: D102 - see model.KeyVersion


class Periods(Protocol):
    """What they ask of a data class. Seconds; 0 is no limit."""

    @property
    def lease_seconds(self) -> int: ...  # noqa: D102 - see model.DataClass
    @property
    def rotate_every(self) -> int: ...  # noqa: D102 - see model.DataClass
    @property
    def originator_usage(self) -> int: ...  # noqa: D102 - see model.DataClass
    @property
    def recipient_usage(self) -> int: ...  # noqa: D102 - see model.DataClass
    @property
    def max_wraps(self) -> int: ...  # noqa: D102 - see model.DataClass


class Task(StrEnum):
    """What a date brings. The first two come by themselves; the clock destroys and rotates when a scheduler asks."""

    ACTIVATE = "activate"
    DEACTIVATE = "deactivate"
    ROTATE = "rotate"
    DESTROY = "destroy"
    RETIRE = "retire"


@dataclass(frozen=True, slots=True)
class Due:
    """A task, when it is due, and why. `RETIRE`: nobody may decrypt any more, so re-encrypt or destroy."""

    task: Task
    when: datetime
    why: str


def encrypts_until(version: Life, periods: Periods) -> datetime | None:
    """The end of the originator-usage period, None if there is none."""
    return after(version.activated, periods.originator_usage)


def decrypts_until(version: Life, periods: Periods) -> datetime | None:
    """The end of the recipient-usage period, None if there is none."""
    return after(version.activated, periods.recipient_usage)


def deactivates(version: Life, periods: Periods) -> datetime | None:
    """When an active version ends by itself: after the last lease of one that was rotated away, or is too old."""
    too_old = encrypts_until(version, periods)
    ends = (version.active_until, too_old and too_old + timedelta(seconds=periods.lease_seconds))
    return min((end for end in ends if end is not None), default=None)


def is_over(version: Life, periods: Periods, now: datetime) -> bool:
    """Whether the time of a version as an active one is over."""
    end = deactivates(version, periods)
    return end is not None and end <= now


def edge_by_time(version: Life, periods: Periods, now: datetime) -> Edge | None:
    """The edge that time has brought and nobody has written down yet. Destruction is not among them."""
    if version.state is KeyState.PRE_ACTIVE and version.activates is not None and version.activates <= now:
        return edge(Move.ACTIVATE, version.state)
    if version.state is KeyState.ACTIVE and is_over(version, periods, now):
        return edge(Move.DEACTIVATE, version.state)
    return None


def forbids(version: Life, periods: Periods, operation: Operation, now: datetime) -> str | None:
    """Why a version may not do `operation` at `now`, in words that follow its name; None if it may.

    Whether it is the primary version, the only one that encrypts, is for the caller to know.
    """
    if not may(version.state, operation):
        return f"is {version.state}: it may not {operation}"
    if operation is Operation.ENCRYPT and is_past(encrypts_until(version, periods), now):
        return "has come to the end of its originator-usage period: rotate the key"
    if operation is Operation.ENCRYPT and version.active_until is not None:
        return "was rotated away or deactivated: it may not encrypt"
    if operation is Operation.DECRYPT and is_past(decrypts_until(version, periods), now):
        return "has come to the end of its recipient-usage period: re-encrypt what is under it"
    return None


def due(version: Life, periods: Periods, *, primary: bool, wraps: int, now: datetime) -> Iterator[Due]:
    """What is due for a version, now or later, with dates. `wraps` counts the data keys that it has wrapped."""
    match version.state:
        case KeyState.PRE_ACTIVE if version.activates is not None:
            yield Due(Task.ACTIVATE, version.activates, "its activation date")
        case KeyState.ACTIVE:
            yield from due_of_active(version, periods, primary=primary, wraps=wraps, now=now)
        case KeyState.DESTROY_SCHEDULED if version.destroy_at is not None:
            yield Due(Task.DESTROY, version.destroy_at, "its destruction is scheduled")
        case KeyState.COMPROMISED if primary:
            yield Due(Task.ROTATE, now, "it is compromised, and nothing can be encrypted")
        case KeyState.DEACTIVATED if primary and is_past(encrypts_until(version, periods), now):
            yield Due(Task.ROTATE, now, "its originator-usage period has ended, and nothing can be encrypted")
    unreadable = decrypts_until(version, periods)
    if unreadable is not None and may(version.state, Operation.DECRYPT):
        yield Due(Task.RETIRE, unreadable, "its recipient-usage period ends")


def due_of_active(version: Life, periods: Periods, *, primary: bool, wraps: int, now: datetime) -> Iterator[Due]:
    """Rotation of the primary version by age, use and originator usage, and the end of any."""
    if primary:
        yield from rotations(version, periods, wraps, now)
    end = deactivates(version, periods)
    if end is not None:
        why = "the last lease on it ends" if end == version.active_until else "its originator-usage period ends"
        yield Due(Task.DEACTIVATE, end, why)


def rotations(version: Life, periods: Periods, wraps: int, now: datetime) -> Iterator[Due]:
    """The first reason to rotate a primary version, if there is any."""
    if version.active_until is None and wraps * 2 >= periods.max_wraps:
        yield Due(Task.ROTATE, now, f"it has wrapped {wraps:,} data keys of at most {periods.max_wraps:,}")
        return
    aged = after(version.activated, periods.rotate_every)
    ended = encrypts_until(version, periods)
    dates = [
        Due(Task.ROTATE, date, why)
        for date, why in ((aged, "its age"), (ended, "its originator-usage period ends"))
        if date is not None
    ]
    yield from sorted(dates, key=lambda found: found.when)[:1]


def next_date(version: Life, periods: Periods) -> datetime | None:
    """When time will next change the state of a version by itself."""
    dates = {KeyState.PRE_ACTIVE: version.activates, KeyState.ACTIVE: deactivates(version, periods)}
    return dates.get(version.state)


def after(start: datetime | None, seconds: int) -> datetime | None:
    """The end of a period, None if it has not begun or has no end."""
    return None if start is None or seconds == 0 else start + timedelta(seconds=seconds)


def is_past(end: datetime | None, now: datetime) -> bool:
    """Whether a date has come."""
    return end is not None and end <= now
