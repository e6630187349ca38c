"""Times on the command line: periods such as `90d`, and dates."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import click


class Period(click.ParamType[int]):
    """A number with `s`, `m`, `h`, `d`, `w` or `y` (365 days), or `none`. Its value is in seconds."""

    name = "period"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read a period."""
        if isinstance(value, int):
            return value
        if value == "none":
            return 0
        match = PERIOD.fullmatch(str(value))
        if match is None:
            self.fail(f"{value!r} is not a period such as 90d, 12h or none", param, ctx)
        return int(match[1]) * UNITS[match[2]]


class Moment(click.ParamType[datetime]):
    """A date, or a date and time with its offset, in ISO 8601."""

    name = "moment"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read a moment; a date alone is its beginning in UTC."""
        if isinstance(value, datetime):
            return value
        text = str(value)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            self.fail(f"{text!r} is not a time such as 2027-01-31T12:00:00Z", param, ctx)
        if DATE.fullmatch(text):
            return moment.replace(tzinfo=UTC)
        if moment.tzinfo is None:
            self.fail(f"{text!r} does not say its offset from UTC: end it with Z, or +01:00", param, ctx)
        return moment


def period(seconds: int) -> str:
    """`90d`, `36h`, `none`: the shortest text that `Period` reads as that."""
    if seconds == 0:
        return "none"
    unit = next(unit for unit in "ydhms" if seconds % UNITS[unit] == 0)
    return f"{seconds // UNITS[unit]}{unit}"


def span(seconds: float) -> str:
    """How long something takes, in the largest unit that fits: `3 d`, `5 h`, `2 min`."""
    for unit, word in (("d", "d"), ("h", "h"), ("m", "min")):
        if seconds >= UNITS[unit]:
            return f"{int(seconds // UNITS[unit])} {word}"
    return f"{max(int(seconds), 0)} s"


def moment(time: datetime) -> str:
    """A time in UTC, to the second."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800, "y": 365 * 86_400}
PERIOD = re.compile(r"([0-9]{1,9})([smhdwy])", re.ASCII)
DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
