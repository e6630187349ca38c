"""What a monitor may know of a room: how often, how much, how long, and how soon. Never a name that could grow without bound.

`Meter` is the seam. `strongroom.observe.prometheus` and `strongroom.observe.opentelemetry` (extra `metrics`) implement it.
"""

from strongroom.observe.instruments import INSTRUMENTS, Instrument, Kind
from strongroom.observe.meter import Meter

__all__ = ["INSTRUMENTS", "Instrument", "Kind", "Meter"]
