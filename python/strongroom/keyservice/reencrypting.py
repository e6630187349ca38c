"""Re-encryptions in the audit trail: each as a whole, besides the leases of its data keys."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from strongroom.audit import ReencryptionEnded, ReencryptionStarted
from strongroom.errors import LimitExceeded
from strongroom.keys import new_id
from strongroom.keyservice import desk

if TYPE_CHECKING:
    from strongroom.model import Reencryption, Request


class Reencrypting(desk.Desk):
    """The part of the keyservice that is told of re-encryptions. What they may do is asked with every data key."""

    def begin_reencryption(self, request: Request, place: str, suite: int | None, *, everything: bool) -> str:
        """See KeyService.begin_reencryption."""
        with self._turn():
            job = new_id()
            self._sink.record(
                ReencryptionStarted(who=self._who(request), job=job, place=place, suite=suite, everything=everything)
            )
            return job

    def end_reencryption(self, request: Request, job: str, place: str, done: Reencryption) -> None:
        """See KeyService.end_reencryption."""
        with self._turn():
            event = ReencryptionEnded(
                who=self._who(request),
                job=job,
                place=place,
                outcome=done.outcome,
                messages=done.messages,
                bytes=done.bytes,
                settled=done.settled,
                failed=done.failed,
                resumed=done.resumed,
                keys=tuple(asdict(key) for key in done.keys[:MOST]),
                more=max(len(done.keys) - MOST, 0),
            )
            try:
                self._sink.record(event)
            except LimitExceeded:
                # a reason as long as an entry leaves no space for them
                self._sink.record(replace(event, keys=(), more=len(done.keys)))


# of 250 bytes at most in an entry of 64 KiB
MOST = 100
