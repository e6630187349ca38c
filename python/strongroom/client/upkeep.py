"""The keystore of a room as a whole, for whoever looks after it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from strongroom.errors import Misuse
from strongroom.home import Unlock, auditing, keks, os_user, outward, pruning, upkeep
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime

    from strongroom.audit.cosigning import Cosigned
    from strongroom.audit.forwarding import Forwarded
    from strongroom.audit.verifying import VerifiedLog
    from strongroom.errors import StrongroomError
    from strongroom.home.auditing import Reconciled
    from strongroom.home.keks import KekSurvey
    from strongroom.home.outward import Standing
    from strongroom.home.pruning import Pruned
    from strongroom.home.upkeep import KeystoreStats, Moved, Upgraded
    from strongroom.keystore import Findings
    from strongroom.model import Witness


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

    def keks(self) -> KekSurvey:
        """Have each KEK that is in a token wrap and unwrap something; and name keys of this room there that none of them is."""
        return keks.survey_keks(self._home, self._unlock)

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

    def standings(self) -> tuple[Standing, ...]:
        """What each witness of the room has cosigned last. None is asked."""
        return outward.standings(self._home, self._unlock)

    def push(self) -> tuple[tuple[Witness, Cosigned | Exception], ...]:
        """Seal the audit log and have it cosigned by every witness. Gives what each came to.

        An `AuditTampered` among it says that a witness has seen another log than this one.
        """
        return outward.push(self._home, self._unlock)

    def forward(self) -> Forwarded:
        """Seal the audit log and send what was not sent yet to where the room forwards to.

        Raises `AuditUnavailable` where the receiver does not take it; the next call goes on.
        """
        return outward.forward_now(self._home, self._unlock)

    def follow(self, pause: float) -> Iterator[Forwarded | StrongroomError]:
        """The same again and again, `pause` seconds apart, without an end. What fails is given, and tried again."""
        return outward.follow(self._home, self._unlock, pause)

    def prune_audit(
        self,
        *,
        since: datetime | None = None,
        keep: int | None = None,
        dry_run: bool = False,
        reason: str | None = None,
    ) -> Pruned:
        """Take away the oldest entries of the audit log: all before `since`, or all but the newest `keep`, in whole bundles of 256.

        What was proved about the rest stays proved, and the log says what went. Nobody can bring it back: keep a copy of the
        folder if you may need one. Raises `AccessDenied`, and `AuditTampered` for a log that does not verify.
        """
        if (since is None) == (keep is None):
            raise Misuse("say since when, or how many entries are to stay")
        retention = pruning.Retention(since=since, keep=keep)
        return pruning.prune(self._home, self._unlock, retention, self._request(reason), dry_run=dry_run)

    def _request(self, reason: str | None) -> Request:
        return Request(self._principal, self._purpose, reason or "")
