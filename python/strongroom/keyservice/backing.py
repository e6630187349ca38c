"""What a backup holds, and the record that one was verified."""

from __future__ import annotations

from strongroom.audit import BackupCreated, BackupVerified
from strongroom.keys import new_id
from strongroom.keyservice.desk import Desk, utc_now
from strongroom.keyservice.exporting import Export, backup_context, backup_materials
from strongroom.model import Request
from strongroom.policy import Action, Resource
from strongroom.providers import RootDocument


class Backing(Desk):
    """The part of the keyservice that backups come from."""

    def export(self, request: Request) -> Export:
        """See KeyService.export."""
        with self._turn(), self._case(request, Action.BACK_UP) as case:
            self._authorise(case, Resource())
            with self._alone_with_root() as sealed:
                dump = self._keystore.dump()
            backup, taken, document = new_id(), utc_now(), RootDocument(sealed)
            self._sink.record(
                BackupCreated(who=self._who(request), backup=backup, epoch=dump.epoch, state=dump.digest, time=taken)
            )
            context = backup_context(backup, self.room_id, document, taken)
            return Export(
                id=backup,
                taken=taken,
                dump=dump,
                root=document,
                audit=self._sink.head(),
                materials=backup_materials(self._root, self.room_id, context),
            )

    def record_verified(self, request: Request, backup: str, epoch: int, state: str) -> None:
        """See KeyService.record_verified."""
        with self._turn(), self._case(request, Action.BACK_UP) as case:
            self._authorise(case, Resource())
            self._sink.record(BackupVerified(who=self._who(request), backup=backup, epoch=epoch, state=state))
