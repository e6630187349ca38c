"""The keystore and the log reckoned up against each other: what one knows and the other does not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from strongroom.keystore import HistoryRecord, Keystore

    Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Books:
    """What the keystore says that the log must say as well."""

    edges: tuple[HistoryRecord, ...]
    wraps: Mapping[tuple[str, int], int]
    waiting: frozenset[str]

    @classmethod
    def of(cls, keystore: Keystore) -> Books:
        """Every edge of every key version, the wraps of each, and the events that still wait for the log, in this order."""
        edges = tuple(edge for key_id in keystore.snapshot().keys for edge in keystore.history(key_id))
        return cls(edges, keystore.wraps(), frozenset(entry.event_id for entry in keystore.pending()))


@dataclass(slots=True)
class Reckoning:
    """What the log says. Entries of changes may come twice after a crash, under one id."""

    entries: int = 0
    ids: set[str] = field(default_factory=set)
    changes: dict[str, Entry] = field(default_factory=dict)
    leases: int = 0
    # those that were not closed yet: a log has many leases, and few at a time
    open: set[str] = field(default_factory=set)
    strange: list[tuple[str, str]] = field(default_factory=list)
    carried: set[str] = field(default_factory=set)
    released: Counter[tuple[str, int]] = field(default_factory=Counter)
    told_elsewhere: datetime | None = None

    def enter(self, entry: Entry) -> None:
        """Take one entry, in the order of the log."""
        self.entries += 1
        match entry["event"]:
            case "lease-opened":
                self._opened(entry)
            case "lease-closed":
                self._closed(entry)
            case "room-restored":
                self._is_told_elsewhere(entry["time"])
            case "log-pruned":
                self._is_told_elsewhere(entry["until"])
                self.carried.update(entry["leases"])
            case event if event in CHANGES:
                self.changes[entry["id"]] = entry
        # who counts leases needs no other name of them
        if not entry["event"].startswith("lease-"):
            self.ids.add(entry["id"])

    def _opened(self, entry: Entry) -> None:
        if entry["lease"] in self.open:
            self.strange.append((entry["lease"], f"lease {entry['lease']} was opened twice"))
        self.leases += 1
        self.open.add(entry["lease"])
        if entry["action"] == "generate-dek":
            self.released[entry["key_id"], entry["version"]] += 1

    def _closed(self, entry: Entry) -> None:
        if entry["lease"] not in self.open:
            what = f"lease {entry['lease']} was closed, and no entry says that it was opened"
            self.strange.append((entry["lease"], what))
        self.open.discard(entry["lease"])

    def _is_told_elsewhere(self, until: str) -> None:
        """Up to that time, what happened stands in a log that is not here any more."""
        time = datetime.fromisoformat(until).astimezone(UTC)
        self.told_elsewhere = max(time, self.told_elsewhere or time)

    def wrong(self, before: Books, after: Books, *, whole: bool) -> Iterator[str]:
        """What does not agree. `before` was read ahead of the log and `after` behind it; `whole`: no log is left out."""
        if whole:
            # those that reach across a cut were opened in what was pruned
            yield from (what for lease, what in self.strange if lease not in self.carried)
        for edge in before.edges:
            known = edge.event_id in self.ids or edge.event_id in before.waiting
            if not known and whole and not self._is_of_before(edge):
                yield (
                    f"key {edge.key_id} version {edge.version} went through edge {edge.edge} by event {edge.event_id},"
                    " and the log has no such entry"
                )
        told = {edge.event_id for edge in after.edges}
        for event_id, entry in self.changes.items():
            if event_id not in told:
                yield f"entry {event_id} says {entry['event']} of key {entry['key_id']}, and the keystore knows nothing of it"
        for name, count in self.released.items():
            if count > after.wraps.get(name, 0):
                key_id, version = name
                yield (
                    f"the log released {count} data keys under key {key_id} version {version},"
                    f" and the keystore has counted {after.wraps.get(name, 0)} at most"
                )

    def _is_of_before(self, edge: HistoryRecord) -> bool:
        """Whether it is in the log of a room that this one was restored from, or in what was pruned."""
        return self.told_elsewhere is not None and edge.time <= self.told_elsewhere


# those that stand in histories, by their ids
CHANGES = frozenset({"key-created", "key-rotated", "key-state-changed"})
