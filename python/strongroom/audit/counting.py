"""Figures out of the audit trail: what is recorded is what is counted, so the two cannot disagree."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from strongroom.observe import instruments as of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.observe import Meter

    Entry = Mapping[str, object]


class Tally:
    """Counts entries into a meter, in the order in which they were recorded. Not thread-safe."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._opened: dict[str, str] = {}
        self._changes: dict[str, str] = {}

    def count(self, entry: Entry) -> None:
        """Count one entry. What is neither a lease nor a failure, nor about the log itself, is a change."""
        match entry["event"]:
            case "lease-opened":
                self._lease_opened(entry)
            case "lease-closed":
                self._lease_closed(entry)
            case "denied":
                self._failed(entry, "denied")
            case "failed":
                self._failed(entry, str(entry["error"]))
            case "unlock-failed":
                self._meter.add(of.FAILURES, 1, {"data_class": "", "action": "unlock", "outcome": str(entry["error"])})
            case "writer-started" | "writer-stopped":
                pass
            case event:
                self._changed(entry, str(event))

    def _lease_opened(self, entry: Entry) -> None:
        self._meter.add(of.DATA_KEYS, 1, {**version_of(entry), "action": str(entry["action"])})
        # the end of a lease may never be recorded, as after a crash
        remember(self._opened, str(entry["lease"]), str(entry["time"]))

    def _lease_closed(self, entry: Entry) -> None:
        labels = {**version_of(entry), "outcome": str(entry["outcome"])}
        self._meter.add(of.LEASES_CLOSED, 1, labels)
        self._meter.add(of.MESSAGES, number(entry["messages"]), labels)
        self._meter.add(of.BYTES, number(entry["bytes"]), labels)
        opened = self._opened.pop(str(entry["lease"]), None)
        if opened is not None:
            lasted = datetime.fromisoformat(str(entry["time"])) - datetime.fromisoformat(opened)
            self._meter.observe(of.LEASE_SECONDS, lasted.total_seconds(), {"data_class": str(entry["data_class"])})

    def _changed(self, entry: Entry, event: str) -> None:
        # what went through the outbox may come twice
        if str(entry["id"]) not in self._changes:
            remember(self._changes, str(entry["id"]), event)
            self._meter.add(of.CHANGES, 1, {"event": event})

    def _failed(self, entry: Entry, outcome: str) -> None:
        # whoever asks for what is not there chooses its name: only names with a key behind them become labels
        known = entry["data_class"] if entry["key_id"] is not None else None
        labels = {"data_class": str(known or ""), "action": str(entry["action"]), "outcome": outcome}
        self._meter.add(of.FAILURES, 1, labels)


def remember(of_late: dict[str, str], name: str, value: str) -> None:
    """Put `value` into a memory that forgets the oldest, and never grows for ever."""
    if len(of_late) >= REMEMBERED:
        of_late.pop(next(iter(of_late)))
    of_late[name] = value


def version_of(entry: Entry) -> dict[str, str]:
    """The labels of an entry about a key version."""
    return {"data_class": str(entry["data_class"]), "version": str(entry["version"])}


def number(value: object) -> int:
    """A count in an entry."""
    return value if isinstance(value, int) else 0


REMEMBERED = 4096
