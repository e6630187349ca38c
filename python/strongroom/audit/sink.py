"""Where entries go: the seam."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from strongroom.audit.events import Event


@dataclass(frozen=True, slots=True)
class Head:
    """How far an audit log has come: its name, its entries, and the root over them in hex."""

    log: str
    size: int
    root: str


class Sink(Protocol):
    """Takes events. Raises AuditUnavailable when it cannot, and then nothing may be released."""

    def record(self, event: Event) -> None:
        """Take `event`; it is durable on return."""
        ...

    def note(self, event: Event) -> None:
        """Take `event`; it becomes durable with the next one recorded, or when the sink is closed."""
        ...

    def send(self, lines: Sequence[bytes]) -> None:
        """Take entries as they were written elsewhere, perhaps again; they are durable on return."""
        ...

    def head(self) -> Head:
        """How far the log has come."""
        ...

    def close(self) -> None:
        """Make everything durable and release the sink."""
        ...
