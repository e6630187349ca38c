"""The table of notes: every edge with its number, and what each state allows."""

import pytest
from strongroom.errors import KeyStateForbids
from strongroom.keys import EDGES, Asker, Move, Operation, edge, may
from strongroom.model import KeyState as S

TABLE = [
    (Move.CREATE, None, {}, S.PRE_ACTIVE, 1),
    (Move.DESTROY, S.PRE_ACTIVE, {}, S.DESTROYED, 2),
    (Move.COMPROMISE, S.PRE_ACTIVE, {}, S.COMPROMISED, 3),
    (Move.ACTIVATE, S.PRE_ACTIVE, {}, S.ACTIVE, 4),
    (Move.COMPROMISE, S.ACTIVE, {}, S.COMPROMISED, 6),
    (Move.SUSPEND, S.ACTIVE, {}, S.SUSPENDED, 7),
    (Move.DEACTIVATE, S.ACTIVE, {}, S.DEACTIVATED, 8),
    (Move.COMPROMISE, S.SUSPENDED, {}, S.COMPROMISED, 10),
    (Move.RESUME, S.SUSPENDED, {"ended": False}, S.ACTIVE, 11),
    (Move.RESUME, S.SUSPENDED, {"ended": True}, S.DEACTIVATED, 12),
    (Move.ERASE, S.DESTROY_SCHEDULED, {"compromised": False}, S.DESTROYED, 13),
    (Move.COMPROMISE, S.DEACTIVATED, {}, S.COMPROMISED, 14),
    (Move.COMPROMISE, S.DESTROY_SCHEDULED, {"compromised": False}, S.COMPROMISED, 14),
    (Move.ERASE, S.DESTROY_SCHEDULED, {"compromised": True}, S.DESTROYED, 15),
    (Move.DESTROY, S.DEACTIVATED, {}, S.DESTROY_SCHEDULED, 21),
    (Move.DESTROY, S.COMPROMISED, {"compromised": True}, S.DESTROY_SCHEDULED, 21),
    (Move.RESTORE, S.DESTROY_SCHEDULED, {"compromised": False}, S.DEACTIVATED, 22),
    (Move.RESTORE, S.DESTROY_SCHEDULED, {"compromised": True}, S.COMPROMISED, 22),
    (Move.COMPROMISE, S.DESTROYED, {"compromised": False}, S.DESTROYED, 23),
]
FLAGS = [{"compromised": compromised, "ended": ended} for compromised in (False, True) for ended in (False, True)]


@pytest.mark.parametrize(("move", "source", "flags", "target", "number"), TABLE)
def test_every_edge(move: Move, source: S | None, flags: dict[str, bool], target: S, number: int) -> None:
    found = edge(move, source, **flags)
    assert (found.target, found.number) == (target, number)


def test_there_is_no_other_edge() -> None:
    """Every move from every state under every condition leads where the table says, or nowhere."""
    for move in Move:
        for source in (None, *S):
            for flags in FLAGS:
                expected = [
                    (target, number)
                    for m, s, conditions, target, number in TABLE
                    if (m, s) == (move, source) and all(flags[name] == value for name, value in conditions.items())
                ]
                # to destroy what is COMPROMISED needs no flag, since only what was compromised is so
                if (move, source) == (Move.DESTROY, S.COMPROMISED):
                    expected = [(S.DESTROY_SCHEDULED, 21)]
                if expected:
                    found = edge(move, source, **flags)
                    assert [(found.target, found.number)] == expected
                else:
                    with pytest.raises(KeyStateForbids, match=f"is {source}: it cannot|is {source} cannot"):
                        edge(move, source, **flags)
    assert len(EDGES) == len(TABLE)


def test_who_may_ask() -> None:
    by_clock = {found.number for found in EDGES if Asker.CLOCK in found.asked_by}
    assert by_clock == {4, 8, 13, 15}
    assert all(found.asked_by == {Asker.CLOCK} for found in EDGES if found.move is Move.ERASE)
    assert all(Asker.OPERATOR in found.asked_by for found in EDGES if found.move is not Move.ERASE)
    assert {found.number for found in EDGES if Asker.ROTATION in found.asked_by} == {1, 4, 8}


def test_what_each_state_may() -> None:
    can = {state: {operation for operation in Operation if may(state, operation)} for state in S}
    assert can == {
        S.PRE_ACTIVE: set(),
        S.ACTIVE: {Operation.ENCRYPT, Operation.DECRYPT, Operation.REENCRYPT, Operation.EXPORT},
        S.SUSPENDED: set(),
        S.DEACTIVATED: {Operation.DECRYPT, Operation.REENCRYPT, Operation.EXPORT},
        S.COMPROMISED: {Operation.REENCRYPT},
        S.DESTROY_SCHEDULED: set(),
        S.DESTROYED: set(),
    }


def test_a_refusal_says_what_the_move_is_for() -> None:
    with pytest.raises(KeyStateForbids, match="is DESTROYED cannot be asked to restore: that is for DESTROY_SCHEDULED"):
        edge(Move.RESTORE, S.DESTROYED)
