"""What was counted where: the census of each place, in the place of the one before."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from strongroom.audit import CensusForgotten, CensusTaken
from strongroom.errors import Misuse
from strongroom.keyservice import desk
from strongroom.keystore import CensusRecord, Change, OutboxEntry
from strongroom.policy import Action, Resource

if TYPE_CHECKING:
    from strongroom.audit import Event, Who
    from strongroom.keystore import Snapshot
    from strongroom.model import PlaceCount, Request

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
"""When an incomplete census was taken, as far as destruction asks: too long ago, always."""


class Counting(desk.Desk):
    """The part of the keyservice that remembers censuses."""

    def record_census(self, request: Request, counted: PlaceCount) -> None:
        """See KeyService.record_census."""
        with self._turn(), self._case(request, Action.COUNT) as case:
            self._authorise(case, Resource())
            self._change(lambda snapshot: recount(snapshot, self._who(request), counted, self._now(snapshot)))

    def forget_census(self, request: Request, place: str) -> None:
        """See KeyService.forget_census."""
        with self._turn(), self._case(request, Action.COUNT) as case:
            self._authorise(case, Resource())

            def decide(snapshot: Snapshot) -> Change:
                if not any(record.place == place for record in snapshot.census):
                    raise Misuse(f"nothing was ever counted at {place!r}")
                event = CensusForgotten(who=self._who(request), time=self._now(snapshot), place=place)
                return Change(recounted=(place,), outbox=told(event))

            self._change(decide)


def recount(snapshot: Snapshot, who: Who, counted: PlaceCount, now: datetime) -> Change:
    """The rows of a place. Versions that this room does not have get none, so that no header can fill the keystore."""
    taken = min(counted.taken, now) if counted.complete else NEVER
    ours = {name: amount for name, amount in counted.counts.items() if name in snapshot.versions}
    totals = tuple(sum(amount[column] for amount in ours.values()) for column in range(3))
    rows = {("", 0): totals, **ours}
    event = CensusTaken(
        who=who,
        time=now,
        place=counted.place,
        messages=totals[0],
        bytes=totals[1],
        files=totals[2],
        complete=counted.complete,
    )
    return Change(
        census=tuple(
            CensusRecord(
                place=counted.place,
                key_id=key_id,
                version=version,
                messages=messages,
                bytes=size,
                files=files,
                taken=taken,
            )
            for (key_id, version), (messages, size, files) in rows.items()
        ),
        recounted=(counted.place, *within(snapshot, counted)),
        outbox=told(event),
    )


def within(snapshot: Snapshot, counted: PlaceCount) -> tuple[str, ...]:
    """The places that a whole count of a directory has covered as well: what was counted there before is out of date."""
    if not counted.complete:
        return ()
    beneath = counted.place.rstrip("/") + "/"
    return tuple({record.place for record in snapshot.census if record.place.startswith(beneath)})


def told(event: Event) -> tuple[OutboxEntry, ...]:
    """An event on its way to the audit trail."""
    return (OutboxEntry(event.id, event.line()),)
