"""A sink that counts what it passes on."""

from __future__ import annotations

import json
import threading
import time
from typing import TYPE_CHECKING

from strongroom.audit.counting import Tally
from strongroom.audit.events import flat
from strongroom.observe import instruments as of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.audit.events import Event
    from strongroom.audit.sink import Head, Sink
    from strongroom.observe import Meter


class MeteredSink:
    """Passes entries to `sink` and counts those that it took. Thread-safe."""

    def __init__(self, sink: Sink, meter: Meter) -> None:
        self._sink = sink
        self._meter = meter
        self._tally = Tally(meter)
        self._turn = threading.Lock()

    def record(self, event: Event) -> None:
        """See Sink.record."""
        start = time.monotonic()
        self._sink.record(event)
        self._meter.observe(of.AUDIT_SECONDS, time.monotonic() - start, {})
        self._count({"event": event.name, **flat(event)})

    def note(self, event: Event) -> None:
        """See Sink.note."""
        self._sink.note(event)
        self._count({"event": event.name, **flat(event)})

    def send(self, lines: Sequence[bytes]) -> None:
        """See Sink.send."""
        self._sink.send(lines)
        for line in lines:
            self._count(json.loads(line))

    def head(self) -> Head:
        """See Sink.head."""
        return self._sink.head()

    def close(self) -> None:
        """See Sink.close."""
        self._sink.close()

    def _count(self, entry: dict[str, object]) -> None:
        with self._turn:
            self._tally.count(entry)
