"""The lifecycle of a key version: every change of state there is, and what each state allows. Data, no clock.

Source: NIST SP 800-57 part 1 rev. 5, section 7, and a destruction that is scheduled and can be taken back.

```
PRE_ACTIVE ──► ACTIVE ──► DEACTIVATED ──► DESTROY_SCHEDULED ──► DESTROYED
     │           │  ▲          │   ▲              │
     │           ▼  │          │   └── restore ───┘   to the state it left: DEACTIVATED or COMPROMISED
     │        SUSPENDED        │
     └───────────┴─────────────┴──► COMPROMISED ──► DESTROY_SCHEDULED
```
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from strongroom.errors import KeyStateForbids
from strongroom.model import KeyState


class Operation(StrEnum):
    """What a key version may be asked to do with data keys."""

    ENCRYPT = "encrypt"
    DECRYPT = "decrypt"
    REENCRYPT = "re-encrypt"
    EXPORT = "export"


class Move(StrEnum):
    """What changes a state, by the word of the command. `ERASE` has none: it is the end of a scheduled destruction."""

    CREATE = "create"
    ACTIVATE = "activate"
    SUSPEND = "suspend"
    RESUME = "resume"
    DEACTIVATE = "deactivate"
    COMPROMISE = "compromise"
    DESTROY = "destroy"
    RESTORE = "restore"
    ERASE = "erase"


class Asker(StrEnum):
    """On whose word a state changes: somebody's, a rotation's, or that of a date which has come."""

    OPERATOR = "operator"
    ROTATION = "rotation"
    CLOCK = "clock"


@dataclass(frozen=True, slots=True)
class Edge:
    """A change of state. `source` is None for what did not exist before.

    `number` is that of NIST SP 800-57 up to 15; those from 21 are ours. Where one move leads from one state to several,
    `compromised` (the version was compromised before) and `ended` (its time to encrypt is over) choose; None: either.
    """

    number: int
    move: Move
    source: KeyState | None
    target: KeyState
    asked_by: frozenset[Asker]
    compromised: bool | None = None
    ended: bool | None = None


def edge(move: Move, source: KeyState | None, *, compromised: bool = False, ended: bool = False) -> Edge:
    """The edge that `move` takes from a state. Raises KeyStateForbids if there is none."""
    for found in EDGES:
        conditions = (found.compromised in {None, compromised}, found.ended in {None, ended})
        if (found.move, found.source) == (move, source) and all(conditions):
            return found
    raise KeyStateForbids(f"a key version that is {source} cannot be asked to {move}: {hint(move)}")


def hint(move: Move) -> str:
    """From which states a move leads somewhere, in words."""
    sources = sorted({str(found.source) for found in EDGES if found.move is move})
    return f"that is for {' or '.join(sources)}"


def may(state: KeyState, operation: Operation) -> bool:
    """Whether a version in `state` may do `operation`. Computed at each use, never stored."""
    return state in ALLOWED[operation]


ASKED = frozenset({Asker.OPERATOR})
ASKED_OR_ROTATED = frozenset({Asker.OPERATOR, Asker.ROTATION})
ASKED_OR_DUE = frozenset({Asker.OPERATOR, Asker.ROTATION, Asker.CLOCK})
DUE = frozenset({Asker.CLOCK})

EDGES = (
    Edge(1, Move.CREATE, None, KeyState.PRE_ACTIVE, ASKED_OR_ROTATED),
    # nothing was ever encrypted under it, so there is nothing to wait for
    Edge(2, Move.DESTROY, KeyState.PRE_ACTIVE, KeyState.DESTROYED, ASKED),
    Edge(3, Move.COMPROMISE, KeyState.PRE_ACTIVE, KeyState.COMPROMISED, ASKED),
    Edge(4, Move.ACTIVATE, KeyState.PRE_ACTIVE, KeyState.ACTIVE, ASKED_OR_DUE),
    Edge(6, Move.COMPROMISE, KeyState.ACTIVE, KeyState.COMPROMISED, ASKED),
    Edge(7, Move.SUSPEND, KeyState.ACTIVE, KeyState.SUSPENDED, ASKED),
    Edge(8, Move.DEACTIVATE, KeyState.ACTIVE, KeyState.DEACTIVATED, ASKED_OR_DUE),
    Edge(10, Move.COMPROMISE, KeyState.SUSPENDED, KeyState.COMPROMISED, ASKED),
    Edge(11, Move.RESUME, KeyState.SUSPENDED, KeyState.ACTIVE, ASKED, ended=False),
    Edge(12, Move.RESUME, KeyState.SUSPENDED, KeyState.DEACTIVATED, ASKED, ended=True),
    Edge(13, Move.ERASE, KeyState.DESTROY_SCHEDULED, KeyState.DESTROYED, DUE, compromised=False),
    Edge(14, Move.COMPROMISE, KeyState.DEACTIVATED, KeyState.COMPROMISED, ASKED),
    Edge(14, Move.COMPROMISE, KeyState.DESTROY_SCHEDULED, KeyState.COMPROMISED, ASKED, compromised=False),
    Edge(15, Move.ERASE, KeyState.DESTROY_SCHEDULED, KeyState.DESTROYED, DUE, compromised=True),
    Edge(21, Move.DESTROY, KeyState.DEACTIVATED, KeyState.DESTROY_SCHEDULED, ASKED),
    Edge(21, Move.DESTROY, KeyState.COMPROMISED, KeyState.DESTROY_SCHEDULED, ASKED),
    Edge(22, Move.RESTORE, KeyState.DESTROY_SCHEDULED, KeyState.DEACTIVATED, ASKED, compromised=False),
    Edge(22, Move.RESTORE, KeyState.DESTROY_SCHEDULED, KeyState.COMPROMISED, ASKED, compromised=True),
    # a mark on a tombstone: what was encrypted under it may be read by others
    Edge(23, Move.COMPROMISE, KeyState.DESTROYED, KeyState.DESTROYED, ASKED, compromised=False),
)

# encryption is for the primary version only, which the state does not say; export wants an approval on top
ALLOWED = {
    Operation.ENCRYPT: frozenset({KeyState.ACTIVE}),
    Operation.DECRYPT: frozenset({KeyState.ACTIVE, KeyState.DEACTIVATED}),
    Operation.REENCRYPT: frozenset({KeyState.ACTIVE, KeyState.DEACTIVATED, KeyState.COMPROMISED}),
    Operation.EXPORT: frozenset({KeyState.ACTIVE, KeyState.DEACTIVATED}),
}
