"""A census: what stands under which key, told from headers. No key is needed or touched."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client.results import CensusCount, PlaceCensus
from strongroom.keys import CLASS_KEY, NAMESPACE, KeyName
from strongroom.model import PlaceCount

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom.crypto import Control

    Path = str | os.PathLike[str]

EPOCH = date(1970, 1, 1)


def census(path: Path, control: Control | None = None) -> PlaceCensus:
    """Count the messages of a file, or of all files beneath a directory, without following links."""
    start, taken = time.perf_counter(), datetime.now(UTC)
    counted = crypto.census(path, namespace=NAMESPACE, class_key=CLASS_KEY, control=control)
    return PlaceCensus(
        place=place_of(path),
        taken=taken,
        counts=tuple(count(*row) for row in counted.counts),
        messages=counted.messages,
        bytes=counted.bytes,
        files=counted.files,
        others=counted.others,
        links=counted.links,
        unread=tuple((os.fsdecode(path), error) for path, error in counted.unread),
        seconds=time.perf_counter() - start,
    )


def to_record(counted: PlaceCensus) -> PlaceCount:
    """What the keystore remembers of a census."""
    counts: dict[tuple[str, int], tuple[int, int, int]] = {}
    for row in counted.counts:
        if row.key_id is not None and row.version is not None:
            messages, size, files = counts.get((row.key_id, row.version), (0, 0, 0))
            counts[row.key_id, row.version] = (messages + row.messages, size + row.bytes, files + row.files)
    return PlaceCount(place=counted.place, taken=counted.taken, complete=counted.complete, counts=counts)


def place_of(path: Path) -> str:
    """What a place is called wherever it is counted from: its host and its real path."""
    return f"{os.uname().nodename}:{os.path.realpath(path)}"


def count(
    data_class: str | None,
    key: str | None,
    suite: int,
    messages: int,
    byte_count: int,
    files: int,
    days: list[tuple[int, int, int]],
) -> CensusCount:
    """A row as Rust counted it."""
    name = KeyName.parse(key) if key is not None else None
    return CensusCount(
        data_class=data_class,
        key_id=name.key_id if name else None,
        version=name.version if name else None,
        suite=suite,
        messages=messages,
        bytes=byte_count,
        files=files,
        days=tuple((day_of(day), messages, size) for day, messages, size in days),
    )


def merged(rows: Iterable[CensusCount]) -> list[CensusCount]:
    """One row for each class, key version and suite, where several places have them."""
    sums: dict[tuple[str, str, int, int], list[CensusCount]] = {}
    for row in rows:
        sums.setdefault((row.data_class or "", row.key_id or "", row.version or 0, row.suite), []).append(row)
    return [sum_of(alike) for _, alike in sorted(sums.items())]


def sum_of(rows: list[CensusCount]) -> CensusCount:
    """Rows of one class, key version and suite as one."""
    days: dict[date, tuple[int, int]] = {}
    for day, messages, size in (amount for row in rows for amount in row.days):
        before = days.get(day, (0, 0))
        days[day] = (before[0] + messages, before[1] + size)
    return replace(
        rows[0],
        messages=sum(row.messages for row in rows),
        bytes=sum(row.bytes for row in rows),
        files=sum(row.files for row in rows),
        days=tuple((day, *amount) for day, amount in sorted(days.items())),
    )


def day_of(number: int) -> date:
    """A day that a file says it was changed on: any, so the nearest that there is a word for."""
    try:
        return EPOCH + timedelta(days=number)
    except OverflowError:
        return date.max if number > 0 else date.min
