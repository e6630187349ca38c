"""The keys of a room: their versions, and the lifecycle of each."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from strongroom.errors import PartialFailure
from strongroom.keys import Task
from strongroom.keyservice import About

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from strongroom.keyservice import DueTask, KeyService
    from strongroom.keystore import HistoryRecord
    from strongroom.materials.room import RoomMaterials
    from strongroom.model import Key, Request

    Requests = Callable[[str | None], Request]


class Keys:
    """The room's KEKs. Every change is authorised, and recorded with its reason.

    Those that end the use of a version (`suspend`, `compromise`, `destroy`) end the leases on it in this process at
    once; in others they end when their time is over. All raise `KeyNotFound`, and `KeyStateForbids` where the lifecycle
    knows no such edge.
    """

    def __init__(self, service: KeyService, request: Requests, materials: RoomMaterials) -> None:
        self._service = service
        self._request = request
        self._materials = materials

    def list(self) -> Sequence[Key]:
        """All KEKs with their versions, as they are now."""
        return self._service.describe(self._request(None)).keys

    def show(self, key_id: str) -> Key:
        """One KEK with its versions."""
        return self._service.key(self._request(None), key_id)

    def history(self, key_id: str) -> Sequence[HistoryRecord]:
        """Every change of state of a key's versions, by version and in order: who, when, why."""
        return self._service.history(self._request(None), key_id)

    def create(
        self,
        data_class: str,
        *,
        scope: Mapping[str, str] | None = None,
        activate_at: datetime | None = None,
        owner: str | None = None,
        contact: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> Key:
        """Make a new KEK for a data class, which from then on wraps its data keys; older ones still unwrap.

        `scope` has a value for each scope key of the class. With `activate_at` it is PRE_ACTIVE until then.
        """
        about = About(owner=owner, contact=contact, description=description, tags=tags)
        return self._service.create_key(
            self._request(reason), data_class, scope=scope, activates=activate_at, about=about
        )

    def set(
        self,
        key_id: str,
        *,
        owner: str | None = None,
        contact: str | None = None,
        description: str | None = None,
        tags: Mapping[str, str] | None = None,
        reason: str | None = None,
    ) -> Key:
        """Change what people want to know of a key; None leaves a value as it is. `contact` is whom to call."""
        about = About(owner=owner, contact=contact, description=description, tags=tags)
        return self._service.set_key(self._request(reason), key_id, about)

    def rotate(
        self,
        key_id: str,
        *,
        expected: int | None = None,
        activate_at: datetime | None = None,
        kek: str | None = None,
        reason: str | None = None,
    ) -> Key:
        """Make a new version of a KEK primary. Data under older versions stays readable.

        With `activate_at`, the version is made now and becomes primary then; a rotation before takes that one. Raises
        `KeyChanged` if the primary version is not the `expected` one any more, by default the one at the time of the call.
        Where the class has its KEKs in a token, `kek` is the PKCS#11 URI of a key that is there already and is to be the KEK.
        """
        return self._service.rotate(self._request(reason), key_id, expected=expected, activates=activate_at, kek=kek)

    def activate(self, key_id: str, *, version: int | None = None, reason: str | None = None) -> Key:
        """Make a version that waits for its activation date active and primary now."""
        return self._service.activate(self._request(reason), key_id, version)

    def suspend(self, key_id: str, version: int, *, reason: str) -> Key:
        """Stop all use of a version until it is resumed. Where it is primary, encryption stops."""
        return self._stopped(self._service.suspend(self._request(reason), key_id, version), version, "suspended")

    def resume(self, key_id: str, version: int, *, reason: str) -> Key:
        """Allow the use of a suspended version again: to encrypt only if it was not rotated away meanwhile."""
        return self._service.resume(self._request(reason), key_id, version)

    def deactivate(self, key_id: str, version: int, *, reason: str) -> Key:
        """End encryption under a version now; it still decrypts."""
        return self._stopped(self._service.deactivate(self._request(reason), key_id, version), version, "deactivated")

    def compromise(self, key_id: str, version: int, *, rotate: bool = False, reason: str) -> Key:
        """Say that others may know a version. Nothing is encrypted or decrypted under it any more, only re-encrypted.

        With `rotate`, a primary version gets a successor in the same moment; otherwise encryption stops.
        """
        key = self._service.compromise(self._request(reason), key_id, version, rotate=rotate)
        return self._stopped(key, version, "compromised")

    def destroy(self, key_id: str, version: int, *, wait: timedelta | None = None, reason: str) -> Key:
        """Schedule the destruction of a version, after `wait` or what its class says. Nothing works under it from now on.

        Refused while the last census found messages under it, or is too old. A version that was never active goes at once.
        """
        seconds = None if wait is None else int(wait.total_seconds())
        key = self._service.destroy(self._request(reason), key_id, version, wait=seconds)
        return self._stopped(key, version, "destroyed")

    def restore(self, key_id: str, version: int, *, reason: str) -> Key:
        """Take back a scheduled destruction."""
        return self._service.restore(self._request(reason), key_id, version)

    def due(self, *, within: timedelta = timedelta(0)) -> Sequence[DueTask]:
        """What is due by then: rotations, activations, deactivations, destructions, periods that end."""
        return self._service.due(self._request(None), within)

    def do_due(self, *, rotate: bool = True, destroy: bool = True, reason: str | None = None) -> Sequence[DueTask]:
        """Rotate and destroy what is due, for a scheduler. Raises `PartialFailure` naming what could not be done.

        A version is destroyed only if the census still allows it. Activations and deactivations come by themselves.
        """
        tasks = frozenset([Task.ROTATE] * rotate + [Task.DESTROY] * destroy)
        done, failed = self._service.do_due(self._request(reason), tasks)
        for task in done:
            if task.task is Task.DESTROY:
                self._materials.drop(task.key_id, task.version, "destroyed")
        if failed:
            names = [(f"{task.task} {task.key_id}/{task.version}", error) for task, error in failed]
            raise PartialFailure(f"{len(failed)} of {len(failed) + len(done)} that are due could not be done", names)
        return done

    def _stopped(self, key: Key, version: int, outcome: str) -> Key:
        self._materials.drop(key.id, version, outcome)
        return key
