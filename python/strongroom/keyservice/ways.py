"""Ways into the room: which changes are allowed, so that there always is one that works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom.model import Way
    from strongroom.providers import OpenRoot, Seal, SealedRoot


@dataclass(frozen=True, slots=True, eq=False)
class WayChange:
    """Ways to add and ids of ways to remove, in one step. `force` removes the last recovery kit as well."""

    add: tuple[Seal, ...] = ()
    remove: tuple[str, ...] = ()
    force: bool = False


def changed(sealed: SealedRoot, root: OpenRoot, change: WayChange) -> SealedRoot:
    """`sealed` after the change. Raises Misuse where nobody has shown that they could still open the room."""
    before = sealed.ways()
    check_known(before, change.remove)
    if not change.add and root.way in change.remove:
        raise Misuse("you opened the room by this way: open it by one that stays, which shows that it works")
    after = sealed
    for seal in change.add:
        after = root.with_way(after, seal)
    after = after.without(change.remove)
    lost = recovery_kits(before) and not recovery_kits(after.ways())
    if lost and not change.force:
        raise Misuse("this is the last recovery kit: make another first, or take the risk with --force")
    return after


def check_known(ways: Iterable[Way], ids: Iterable[str]) -> None:
    """Raises Misuse for an id that no way has."""
    known = {way.id for way in ways}
    for wanted in ids:
        if wanted not in known:
            raise Misuse(
                f"there is no way {wanted!r} into this room: `strongroom unlock list` shows those that there are"
            )


def recovery_kits(ways: Iterable[Way]) -> list[Way]:
    """The ways that are kept for the day when the others are lost."""
    return [way for way in ways if way.kind in RECOVERY]


def differences(before: SealedRoot, after: SealedRoot) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was added and what was removed, each by kind and id, for the audit trail."""
    old, new = names(before), names(after)
    return tuple(name for name in new if name not in old), tuple(name for name in old if name not in new)


def names(sealed: SealedRoot) -> list[str]:
    """Every way by kind and id."""
    return [f"{way.kind} {way.id}" for way in sealed.ways()]


RECOVERY = ("recovery-kit", "quorum")
