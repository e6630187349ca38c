"""The lifecycle of a key version: one table of edges, one of what each state allows.

Source: NIST SP 800-57 part 1 rev. 5, section 7. The edges here are those of creation and rotation.

```
          create                rotated away, leases ended
(nothing) ──────► PRE_ACTIVE ──► ACTIVE ──────────────► DEACTIVATED
                       activate
```
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from strongroom.errors import KeyStateForbids
from strongroom.model import KeyState

if TYPE_CHECKING:
    from datetime import datetime


class Operation(StrEnum):
    """What a key version may be asked to do."""

    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of state, with its number in NIST SP 800-57. `source` is None for what did not exist before."""

    number: int
    source: KeyState | None
    target: KeyState


def edge(source: KeyState | None, target: KeyState) -> Edge:
    """The edge between two states. Raises KeyStateForbids if there is none."""
    for candidate in EDGES:
        if (candidate.source, candidate.target) == (source, target):
            return candidate
    raise KeyStateForbids(f"a key version in state {source or 'none'} cannot become {target}")


def may(state: KeyState, operation: Operation) -> bool:
    """Whether a version in `state` may do `operation`. Computed at each use, never stored."""
    return state in ALLOWED[operation]


def settled_state(state: KeyState, active_until: datetime | None, now: datetime) -> KeyState:
    """What a version stored as `state` is at `now`: one that was rotated away is DEACTIVATED once its leases ended."""
    if state is KeyState.ACTIVE and active_until is not None and active_until <= now:
        return KeyState.DEACTIVATED
    return state


EDGES = (
    Edge(1, None, KeyState.PRE_ACTIVE),
    Edge(4, KeyState.PRE_ACTIVE, KeyState.ACTIVE),
    Edge(8, KeyState.ACTIVE, KeyState.DEACTIVATED),
)

ALLOWED = {
    Operation.ENCRYPT: frozenset({KeyState.ACTIVE}),
    Operation.DECRYPT: frozenset({KeyState.ACTIVE, KeyState.DEACTIVATED}),
}
