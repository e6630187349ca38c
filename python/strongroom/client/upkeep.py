"""The keystore of a room as a whole, for whoever looks after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from strongroom.home import Unlock, auditing, os_user, upkeep
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom.audit.verifying import VerifiedLog
    from strongroom.home.auditing import Reconciled
    from strongroom.home.upkeep import KeystoreStats, Moved, Upgraded
    from strongroom.keystore import Findings


class Upkeep:
    """Examines, counts, moves and upgrades the keystore of a room, and verifies its audit log. The room need not open for that.

    Made by `strongroom.upkeep()`. Each call opens the root and wipes it again.
    """

    def __init__(
        self, home: str | os.PathLike[str] | None, unlock: Unlock, *, principal: str | None, purpose: str | None
    ) -> None:
        self._home = home
        self._unlock = unlock
        self._principal = principal or os_user()
        self._purpose = purpose or "upkeep"

    def check(self) -> Findings:
        """Verify every row, the set of them, every history, counter and KEK, and the epoch; names all that is wrong."""
        return upkeep.check(self._home, self._unlock)

    def stats(self) -> KeystoreStats:
        """How much the keystore holds, and at which epoch."""
        return upkeep.stats(self._home, self._unlock)

    def move(self, target: str, *, reason: str | None = None) -> Moved:
        """Move the keystore to a PostgreSQL database, or back to `keystore.db` in the room. The old one stays, marked.

        Rooms that are open meanwhile get `KeystoreMoved`. A crash leaves one of the two in force, and the room opens.
        """
        return upkeep.move(self._home, self._unlock, target, self._request(reason))

    def upgrade(self, *, reason: str | None = None) -> Upgraded:
        """Bring the keystore to the newest format, all of it or nothing, with a copy of the old one beside."""
        return upkeep.upgrade(self._home, self._unlock, self._request(reason))

    def verify_audit(self) -> VerifiedLog:
        """Verify the audit log: its checkpoint, every entry, and that it is not older than the keystore knows it.

        Raises `AuditTampered` for the first thing that is wrong.
        """
        return auditing.verify_own(self._home, self._unlock)

    def reconcile(self, logs: Iterable[str | os.PathLike[str]] = ()) -> Reconciled:
        """Compare every change and lease of the keystore with the audit log, and the other way round.

        `logs` are the folders of logs that the room has at other places.
        """
        return auditing.reconcile(self._home, self._unlock, logs)

    def _request(self, reason: str | None) -> Request:
        return Request(self._principal, self._purpose, reason or "")
