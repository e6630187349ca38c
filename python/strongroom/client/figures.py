"""What a room looks like to a monitor: states, dates and the cache now, and everything that was ever recorded."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from strongroom.keys import Task, due
from strongroom.model import KeyState
from strongroom.observe import instruments as of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from strongroom.home import Reach
    from strongroom.model import DataClass, Description, Key
    from strongroom.observe import Instrument, Meter


def measure(description: Description, cache: Mapping[str, int], now: datetime, meter: Meter) -> None:
    """Set every gauge of a room."""
    for what, count in cache.items():
        meter.set(of.CACHE, count, {"what": what})
    for data_class in description.classes:
        keys = [key for key in description.keys if key.data_class == data_class.name]
        measure_states(data_class, keys, meter)
        measure_dates(data_class, keys, now, meter)


def measure_tokens(standing: Mapping[str, bool], meter: Meter) -> None:
    """Set for each token whether it answers."""
    for way, answers in standing.items():
        meter.set(of.TOKEN_UP, float(answers), {"way": way})


def measure_reach(found: Iterable[Reach], now: datetime, meter: Meter) -> None:
    """Set of each witness, and of the place to forward to, whether it was reached, how long ago, and how far behind it is."""
    target = (1.0, 0.0, 0)
    for each in found:
        ago = max((now - each.reached).total_seconds(), 0.0) if each.reached is not None else float("inf")
        figures = (float(each.works), ago, each.behind)
        if each.is_witness:
            set_all(WITNESS, figures, {"witness": each.name}, meter)
        else:
            target = figures
    set_all(FORWARDING, target, {}, meter)


def set_all(
    instruments: tuple[Instrument, ...], figures: tuple[float, ...], labels: Mapping[str, str], meter: Meter
) -> None:
    """Set these gauges to these figures."""
    for instrument, figure in zip(instruments, figures, strict=True):
        meter.set(instrument, figure, labels)


def measure_states(data_class: DataClass, keys: list[Key], meter: Meter) -> None:
    """Set the number of versions in each state, 0 too: a gauge that is not set stays what it was."""
    counts = Counter(version.state for key in keys for version in key.versions)
    for state in KeyState:
        meter.set(of.KEY_VERSIONS, counts[state], {"data_class": data_class.name, "state": state})


def measure_dates(data_class: DataClass, keys: list[Key], now: datetime, meter: Meter) -> None:
    """Set the days to the first rotation and the first end of decryption; infinite where there is none."""
    dates = list(dates_of(data_class, keys, now))
    for task, instrument in DATED.items():
        first = min((when for found, when in dates if found is task), default=None)
        days = (first - now).total_seconds() / DAY if first is not None else float("inf")
        meter.set(instrument, days, {"data_class": data_class.name})


def dates_of(data_class: DataClass, keys: list[Key], now: datetime) -> Iterator[tuple[Task, datetime]]:
    """What time brings to the versions of a class. Rotation by use is not foreseen: only the keystore counts wraps."""
    for key in keys:
        for version in key.versions:
            for found in due(version, data_class, primary=key.current and version.primary, wraps=0, now=now):
                yield found.task, found.when


DATED: Mapping[Task, Instrument] = {Task.ROTATE: of.ROTATION_DAYS, Task.RETIRE: of.EXPIRY_DAYS}
WITNESS = (of.WITNESS_UP, of.WITNESS_SECONDS, of.WITNESS_BEHIND)
FORWARDING = (of.FORWARDING_UP, of.FORWARDING_SECONDS, of.FORWARDING_BEHIND)
DAY = 86_400
