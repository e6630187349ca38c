"""Figures for OpenTelemetry. Only its API is used: what becomes of them is set up by the application."""

from __future__ import annotations

from typing import TYPE_CHECKING

from opentelemetry import metrics

from strongroom.observe.instruments import INSTRUMENTS, Instrument, Kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from opentelemetry.metrics import Counter, Histogram
    from opentelemetry.metrics import _Gauge as Gauge


class OpenTelemetryMeter:
    """Hands every figure to `meter`, that of the global provider if None is given. Dots stand for the first underscore."""

    def __init__(self, meter: metrics.Meter | None = None) -> None:
        meter = meter or metrics.get_meter("strongroom")
        self._counters: dict[str, Counter] = {}
        self._histograms: dict[str, Histogram] = {}
        self._gauges: dict[str, Gauge] = {}
        for instrument in INSTRUMENTS:
            name = instrument.name.replace("_", ".", 1)
            match instrument.kind:
                case Kind.COUNTER:
                    self._counters[instrument.name] = meter.create_counter(name, description=instrument.help)
                case Kind.GAUGE:
                    self._gauges[instrument.name] = meter.create_gauge(name, description=instrument.help)
                case Kind.HISTOGRAM:
                    self._histograms[instrument.name] = meter.create_histogram(
                        name,
                        description=instrument.help,
                        explicit_bucket_boundaries_advisory=list(instrument.buckets),
                    )

    def add(self, instrument: Instrument, amount: float, labels: Mapping[str, str]) -> None:
        """See Meter.add."""
        self._counters[instrument.name].add(amount, dict(labels))

    def observe(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """See Meter.observe."""
        self._histograms[instrument.name].record(value, dict(labels))

    def set(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """See Meter.set."""
        self._gauges[instrument.name].set(value, dict(labels))
