"""Figures for Prometheus: scraped from this process, or written to a file for the node exporter."""

from __future__ import annotations

from contextlib import suppress
from math import isfinite
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
    write_to_textfile,
)
from prometheus_client.registry import Collector

from strongroom.errors import StrongroomError
from strongroom.observe.instruments import INSTRUMENTS, Instrument, Kind

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

    from prometheus_client import Metric


class PrometheusMeter:
    """Keeps every figure in `registry`, one of its own if None is given. One meter may serve several rooms."""

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        self.registry = registry if registry is not None else CollectorRegistry()
        # collectors are asked in the order of their registration: this one first, for it sets the others
        self._before = Before()
        self.registry.register(self._before)
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}
        self._histograms: dict[str, Histogram] = {}
        for instrument in INSTRUMENTS:
            self._make(instrument)

    @classmethod
    def of_all_time(cls) -> PrometheusMeter:
        """Make a meter for counts that began before this process: it does not say that they began with it."""
        disable_created_metrics()  # type: ignore[no-untyped-call] # as the library has it
        return cls()

    def add(self, instrument: Instrument, amount: float, labels: Mapping[str, str]) -> None:
        """See Meter.add."""
        self._counters[instrument.name].labels(**labels).inc(amount)

    def observe(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """See Meter.observe."""
        histogram = self._histograms[instrument.name]
        (histogram.labels(**labels) if labels else histogram).observe(value)

    def set(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """See Meter.set."""
        gauge = self._gauges[instrument.name]
        (gauge.labels(**labels) if labels else gauge).set(value)

    def before_each(self, measure: Callable[[], None]) -> None:
        """Call `measure` whenever figures are collected, such as `lambda: room.measure(meter)`."""
        self._before.calls.append(measure)

    def write(self, path: str | os.PathLike[str]) -> None:
        """Write all figures to `path`, whole or not at all, for the textfile collector of the node exporter."""
        write_to_textfile(str(path), self.registry)

    def text(self) -> str:
        """Return all figures in the text format of Prometheus."""
        return generate_latest(self.registry).decode()

    def samples(self) -> list[dict[str, object]]:
        """Return all figures as values for JSON; an infinite one, such as the days to a date that there is not, as None."""
        return [
            {"name": sample.name, "labels": sample.labels, "value": sample.value if isfinite(sample.value) else None}
            for metric in self.registry.collect()
            for sample in metric.samples
        ]

    def _make(self, instrument: Instrument) -> None:
        name, text, labels = instrument.name, instrument.help, instrument.labels
        match instrument.kind:
            case Kind.COUNTER:
                self._counters[name] = Counter(name, text, labels, registry=self.registry)
            case Kind.GAUGE:
                self._gauges[name] = Gauge(name, text, labels, registry=self.registry)
            case Kind.HISTOGRAM:
                self._histograms[name] = Histogram(
                    name, text, labels, registry=self.registry, buckets=instrument.buckets
                )


class Before(Collector):
    """Collects nothing, and is asked before the others are."""

    def __init__(self) -> None:
        self.calls: list[Callable[[], None]] = []

    def collect(self) -> list[Metric]:
        """Make the calls. A room that is closed, or does not answer, keeps its last figures and spoils nobody else's."""
        for call in self.calls:
            with suppress(StrongroomError):
                call()
        return []
