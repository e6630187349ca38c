"""The root key of a room."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.home import NewWay, Unlock, drafted, found, resolve
from strongroom.keyservice import RootPlan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from strongroom.keyservice import KeyService
    from strongroom.model import Request, RootInfo

    Requests = Callable[[str | None], Request]


class Root:
    """The root key of the room, which wraps every KEK."""

    def __init__(self, service: KeyService, request: Requests, unlock: Unlock) -> None:
        self._service = service
        self._request = request
        self._unlock = unlock

    def show(self) -> RootInfo:
        """Its version, what opens it, and how many KEKs it has wrapped."""
        return self._service.root(self._request(None))

    def rotate(
        self,
        *,
        also: Sequence[Unlock] = (),
        new: Sequence[NewWay] = (),
        drop: Sequence[str] = (),
        force: bool = False,
        reason: str | None = None,
    ) -> tuple[RootInfo, list[str]]:
        """Make a new root key and put every KEK under it. Data is not touched.

        It opens with the secrets that opened this room and those of `also`, by the keys in tokens that open it, and with `new` ways. A way whose secret is not
        given raises `Misuse`, unless its id is in `drop`; a new recovery kit or quorum takes the place of the old. Gives the
        words of new recovery kits that go to no file, once. `force` allows that no recovery kit is left.
        """
        tokens = any(way.token for way in self.show().ways)
        # who is let in by a token is not asked for a passphrase
        read = found if tokens else resolve
        secrets = [pair for unlock in (self._unlock, *also) for pair in read(unlock)]
        try:
            with drafted(new) as drafts:
                seals = tuple(draft.seal for draft in drafts)
                plan = RootPlan(tuple(secrets), seals, tuple(drop), force)
                info = self._service.rotate_root(self._request(reason), plan)
                return info, [draft.words for draft in drafts if draft.words is not None]
        finally:
            for _, secret in secrets:
                secret.close()
