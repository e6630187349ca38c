"""What a monitoring library must be able to do for us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.observe.instruments import Instrument


class Meter(Protocol):
    """Takes figures. Thread-safe, and never raises: a room must not stop because nobody can count."""

    def add(self, instrument: Instrument, amount: float, labels: Mapping[str, str]) -> None:
        """Add to a counter."""
        ...

    def observe(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """Put a value into a histogram."""
        ...

    def set(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge."""
        ...
