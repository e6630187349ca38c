"""What every message of every process was made with, and whether that is too much."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from strongroom.crypto import Header

from torture.concurrency.classes import CLASSES, Limits
from torture.report import Report


class Entry(NamedTuple):
    """One message: its id, its encrypted data key, the class, and the bytes that its writer asked for, 0 if unknown."""

    message_id: bytes
    data_key: bytes
    data_class: str
    size: int


def entry_of(message: bytes | memoryview, size: int) -> Entry:
    """What the header of a message says."""
    header = Header.parse(message)
    data_key = b"".join(edk.provider_info + edk.ciphertext for edk in header.edks)
    return Entry(header.message_id, data_key, header.context.get("strongroom-class", ""), size)


class Books:
    """Thread-safe, and filled by other processes through `put`."""

    def __init__(self) -> None:
        # a signal handler may book a message while its thread is booking one
        self._lock = threading.RLock()
        self._entries: list[Entry] = []

    def add(self, message: bytes | memoryview, size: int) -> None:
        """Book one message of so many plaintext bytes."""
        self.put([entry_of(message, size)])

    def put(self, entries: Iterable[Entry]) -> None:
        """Book what was booked elsewhere."""
        with self._lock:
            self._entries.extend(entries)

    def judge(self, report: Report) -> None:
        """What is repeated or overused, and whether that would have been seen."""
        entries = self._entries
        if not entries:
            return
        report.count("messages booked", len(entries))
        report.count("data keys booked", len({entry.data_key for entry in entries}))
        report.found += [*repeated(entries), *overused(entries, CLASSES)]
        report.controls["a message id that is there twice"] = len(repeated([*entries, entries[0]])) == 1
        limited = next((entry for entry in entries if entry.data_class in CLASSES), None)
        if limited is not None:
            surplus = [limited] * CLASSES[limited.data_class].messages
            report.controls["a data key that serves one message too many"] = (
                len(overused([*entries, *surplus], CLASSES)) == len(overused(entries, CLASSES)) + 1
            )


def repeated(entries: Iterable[Entry]) -> list[str]:
    """Message ids that are there twice."""
    counts = Counter(entry.message_id for entry in entries)
    return [f"message id {name.hex()} was used {count} times" for name, count in counts.items() if count > 1]


def overused(entries: Iterable[Entry], classes: Mapping[str, Limits]) -> list[str]:
    """Data keys that served more messages or bytes than their class allows."""
    messages: Counter[tuple[str, bytes]] = Counter()
    sizes: Counter[tuple[str, bytes]] = Counter()
    for entry in entries:
        key = entry.data_class, entry.data_key
        messages[key] += 1
        sizes[key] += entry.size
    return [
        f"a data key of class {name!r} served {count} messages and {sizes[name, key]} bytes"
        for (name, key), count in messages.items()
        if (limits := classes.get(name)) and (count > limits.messages or sizes[name, key] > limits.size)
    ]
