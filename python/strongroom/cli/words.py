"""Counts, sizes, rates and paths as people read them."""

from __future__ import annotations

import os

UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")


def count(number: int, noun: str) -> str:
    """`24,312 files`, `1 file`; the plurals here are regular but for those in -y."""
    if number == 1:
        return f"1 {noun}"
    plural = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{number:,} {plural}"


def size(number: float) -> str:
    """`1.9 GiB`. Bytes have no decimals."""
    unit = 0
    while number >= 1024 and unit < len(UNITS) - 1:
        number /= 1024
        unit += 1
    return f"{number:.1f} {UNITS[unit]}" if unit else f"{int(number)} B"


def rate(number: int, seconds: float) -> str:
    """`0.9 GiB/s`; at GiB sizes the unit stays GiB, so that runs compare at a glance."""
    per_second = number / seconds if seconds > 0 else 0.0
    if per_second >= 1024**3 / 2:
        return f"{per_second / 1024**3:.1f} GiB/s"
    return f"{size(per_second)}/s"


def duration(seconds: float) -> str:
    """`2.1 s`, `3 min 20 s`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds >= 0.1 else f"{seconds * 1000:.1f} ms"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} min"


def shown(path: str | bytes | os.PathLike[str] | int) -> str:
    """Make a path safe for a terminal: bytes that are not UTF-8 and control characters are escaped."""
    if isinstance(path, int):
        return f"file descriptor {path}"
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    return "".join(character if character.isprintable() else _escaped(character) for character in text)


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
