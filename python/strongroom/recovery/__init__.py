"""Backups of a room, and rooms out of backups."""

from strongroom.recovery.backups import (
    Backup,
    RestoredRoom,
    VerifiedBackup,
    create_backup,
    restore_backup,
    verify_backup,
)

__all__ = ["Backup", "RestoredRoom", "VerifiedBackup", "create_backup", "restore_backup", "verify_backup"]
