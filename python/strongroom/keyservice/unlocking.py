"""Ways into the room: to list and to change them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.audit import UnlockChanged
from strongroom.keyservice.desk import Desk
from strongroom.keyservice.ways import changed, differences
from strongroom.policy import Action, Resource
from strongroom.providers import RootDocument

if TYPE_CHECKING:
    from strongroom.keyservice.ways import WayChange
    from strongroom.model import Request, Way


class Unlocking(Desk):
    """The part of the keyservice that knows how the room is opened."""

    def ways(self, request: Request) -> tuple[Way, ...]:
        """See KeyService.ways."""
        with self._turn(), self._case(request, Action.DESCRIBE) as case:
            self._authorise(case, Resource())
            return self._root_file.read().at(self._root.version).ways()

    def change_ways(self, request: Request, change: WayChange) -> tuple[Way, ...]:
        """See KeyService.change_ways."""
        with self._turn(), self._case(request, Action.CHANGE_WAYS) as case:
            self._authorise(case, Resource())
            with self._root_file.alone():
                before = self._root_file.read().at(self._root.version)
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
