"""Ways into the room, and the root that they open: to show and to change them."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from strongroom.audit import RootRotated, UnlockChanged
from strongroom.keys import IN_TOKEN
from strongroom.keyservice.desk import Desk
from strongroom.keyservice.roots import next_root, rewrapped
from strongroom.keyservice.ways import changed, differences
from strongroom.keystore import Change, OutboxEntry, RootChange
from strongroom.model import RootInfo
from strongroom.policy import Action, Resource
from strongroom.providers import RootDocument

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.keyservice.roots import RootPlan
    from strongroom.keyservice.ways import WayChange
    from strongroom.keystore import Snapshot
    from strongroom.model import Request, Way
    from strongroom.providers import SealedRoot


class Unlocking(Desk):
    """The part of the keyservice that knows how the room is opened."""

    def standing(self) -> Mapping[str, bool]:
        """See KeyService.standing."""
        # without its turn: a token that hangs must not keep others waiting
        return self._root.standing()

    def ways(self, request: Request) -> tuple[Way, ...]:
        """See KeyService.ways."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            return self._root_file.read().at(self._root.version).ways()

    def change_ways(self, request: Request, change: WayChange) -> tuple[Way, ...]:
        """See KeyService.change_ways."""
        with self._turn(), self._case(request, Action.CHANGE_WAYS) as case:
            self._authorise(case, Resource())
            with self._alone_with_root() as before:
                after = changed(before, self._root, change)
                added, removed = differences(before, after)
                self._sink.record(
                    UnlockChanged(
                        who=self._who(request),
                        root_version=after.version,
                        opened_by=self._root.way,
                        added=added,
                        removed=removed,
                    )
                )
                self._root_file.write(RootDocument(after))
            return after.ways()

    def root(self, request: Request) -> RootInfo:
        """See KeyService.root."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            return self._root_info(self._snapshot())

    def rotate_root(self, request: Request, plan: RootPlan) -> RootInfo:
        """See KeyService.rotate_root."""
        with self._turn(), self._case(request, Action.ROTATE_ROOT) as case, ExitStack() as undo:
            self._authorise(case, Resource())
            with self._alone_with_root() as before:
                fresh, after = next_root(before, plan)
                undo.callback(fresh.close)
                # from here on a crash leaves both, and the keystore says which of them it is wrapped by
                self._root_file.write(RootDocument(before, after))
                wrapped = self._keystore.mac_key_under(fresh)

                def decide(snapshot: Snapshot) -> Change:
                    event = self._rotated(request, before, after, snapshot)
                    return Change(
                        versions=tuple(rewrapped(snapshot.versions.values(), self.room_id, self._root, fresh)),
                        root=RootChange(version=fresh.version, wrapped_mac_key=wrapped),
                        outbox=(OutboxEntry(event.id, event.line()),),
                    )

                snapshot = self._change(decide)
                self._root_file.write(RootDocument(after))
            old = self._root
            self._root = old.heir(fresh, after)
            undo.pop_all()
            self._keks.under(self._root)
            old.close()
            return self._root_info(snapshot)

    def _rotated(self, request: Request, before: SealedRoot, after: SealedRoot, snapshot: Snapshot) -> RootRotated:
        added, removed = differences(before, after)
        return RootRotated(
            who=self._who(request),
            root_version=after.version,
            keys=wrapped_by_root(snapshot),
            opened_by=self._root.way,
            added=added,
            removed=removed,
        )

    def _root_info(self, snapshot: Snapshot) -> RootInfo:
        sealed = self._root_file.read().at(self._root.version)
        return RootInfo(version=sealed.version, ways=sealed.ways(), keks=wrapped_by_root(snapshot))


def wrapped_by_root(snapshot: Snapshot) -> int:
    """How many KEKs there are, but for those in tokens."""
    return sum(
        record.wrapped_kek is not None and record.root_version != IN_TOKEN for record in snapshot.versions.values()
    )
