"""Counts, sizes, times and periods as they stand on the page."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def count(amount: int, noun: str) -> str:
    """`24,312 entries`, `1 entry`."""
    if amount == 1:
        return f"1 {noun}"
    plural = (
        noun[:-1] + "ies"
        if noun.endswith("y") and noun[-2] not in "aeiou"
        else noun + ("es" if noun.endswith("s") else "s")
    )
    return f"{amount:,} {plural}"


def number(amount: int) -> str:
    """`24,312`."""
    return f"{amount:,}"


def listed(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def size(amount: float) -> str:
    """Bytes in the largest unit of 1024s."""
    for unit in UNITS:
        if amount < 1024 or unit == UNITS[-1]:
            break
        amount /= 1024
    return f"{amount:,.0f} B" if unit == "B" else f"{amount:,.1f} {unit}"


def day(time: datetime | None) -> str:
    """A date in UTC."""
    return "–" if time is None else f"{time.astimezone(UTC):%Y-%m-%d}"


def minute(time: datetime | None) -> str:
    """A date and the time of day in UTC."""
    return "–" if time is None else f"{time.astimezone(UTC):%Y-%m-%d %H:%M}"


def period(seconds: int) -> str:
    """`90 d`, `36 h`; a dash for none."""
    for length, unit in PERIODS:
        if seconds and seconds % length == 0:
            return f"{seconds // length:,} {unit}"
    return "–"


SHOWN = 3
UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
PERIODS = ((365 * 86_400, "y"), (86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))
