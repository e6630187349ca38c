"""Changes of state that somebody asks for: one change of the keystore each, with its history and its event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.errors import KeyChanged, KeyStateForbids, Misuse
from strongroom.keys import KeyName
from strongroom.keyservice import moves
from strongroom.keyservice.desk import Desk
from strongroom.keyservice.levels import existing_kek
from strongroom.policy import Action, Resource

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from strongroom.keyservice.draft import Draft
    from strongroom.keystore import VersionRecord
    from strongroom.model import Key, Request

    Step = Callable[[Draft, VersionRecord], None]


class Transitions(Desk):
    """The part of the keyservice that takes key versions through their lifecycle."""

    def rotate(
        self,
        request: Request,
        key_id: str,
        *,
        expected: int | None = None,
        activates: datetime | None = None,
        kek: str | None = None,
    ) -> Key:
        """See KeyService.rotate."""
        with self._turn(), self._case(request, Action.ROTATE) as case:
            snapshot = self._snapshot()
            seen = snapshot.keys.get(key_id)
            self._authorise(case, Resource(seen.data_class if seen else None, key_id))
            given = None
            if kek is not None:
                given = existing_kek(kek, snapshot.data_class(snapshot.key(key_id).data_class), snapshot)
            primary = expected if expected is not None or seen is None else seen.primary_version

            def fill(draft: Draft) -> None:
                key = draft.key(key_id)
                if primary is not None and key.primary_version != primary:
                    raise KeyChanged(f"key {key_id} was rotated meanwhile: version {key.primary_version} is primary")
                if given is not None and moves.prepared(draft, key) is not None:
                    raise KeyStateForbids(
                        f"key {key_id} has a version that waits already: activate or destroy that one first"
                    )
                if activates is None:
                    moves.rotate(draft, key)
                else:
                    moves.prepare(draft, key, activates)

            return self._described(self._draft(request, fill, given), key_id)

    def activate(self, request: Request, key_id: str, version: int | None = None) -> Key:
        """See KeyService.activate."""
        with self._turn(), self._case(request, Action.ACTIVATE) as case:
            self._authorise(case, self._resource(key_id, version))

            def fill(draft: Draft) -> None:
                key = draft.key(key_id)
                record = moves.prepared(draft, key) if version is None else draft.version(key_id, version)
                if record is None:
                    raise KeyStateForbids(f"key {key_id} has no version that waits to be activated")
                moves.activate(draft, record)

            return self._described(self._draft(request, fill), key_id)

    def suspend(self, request: Request, key_id: str, version: int) -> Key:
        """See KeyService.suspend."""
        after = self._move(request, Action.SUSPEND, key_id, version, moves.suspend)
        self._keks.forget(KeyName(key_id, version))
        return after

    def resume(self, request: Request, key_id: str, version: int) -> Key:
        """See KeyService.resume."""
        return self._move(request, Action.RESUME, key_id, version, moves.resume)

    def deactivate(self, request: Request, key_id: str, version: int) -> Key:
        """See KeyService.deactivate."""
        return self._move(request, Action.DEACTIVATE, key_id, version, moves.deactivate)

    def compromise(self, request: Request, key_id: str, version: int, *, rotate: bool = False) -> Key:
        """See KeyService.compromise."""

        def step(draft: Draft, record: VersionRecord) -> None:
            key = draft.key(record.key_id)
            if rotate and key.primary_version == record.version:
                moves.rotate(draft, key)
            moves.compromise(draft, draft.version(record.key_id, record.version))

        after = self._move(request, Action.COMPROMISE, key_id, version, step)
        self._keks.forget(KeyName(key_id, version))
        return after

    def destroy(self, request: Request, key_id: str, version: int, *, wait: int | None = None) -> Key:
        """See KeyService.destroy."""
        after = self._move(
            request, Action.DESTROY, key_id, version, lambda draft, record: moves.destroy(draft, record, wait)
        )
        self._keks.forget(KeyName(key_id, version))
        return after

    def restore(self, request: Request, key_id: str, version: int) -> Key:
        """See KeyService.restore."""
        return self._move(request, Action.RESTORE, key_id, version, moves.restore)

    def _move(self, request: Request, action: Action, key_id: str, version: int, step: Step) -> Key:
        with self._turn(), self._case(request, action) as case:
            self._authorise(case, self._resource(key_id, version))
            if not request.reason:
                raise Misuse(f"to {action} a key wants a reason, which stays in its history")
            after = self._draft(request, lambda draft: step(draft, draft.version(key_id, version)))
            return self._described(after, key_id)

    def _resource(self, key_id: str, version: int | None) -> Resource:
        key = self._snapshot().keys.get(key_id)
        return Resource(key.data_class if key else None, key_id, version)
