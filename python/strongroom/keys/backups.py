"""Names of a backup: what its data key is wrapped under, and its context. Specified in docs/spec/backup.md."""

BACKUP_NAMESPACE = "strongroom-backup"
BACKUP_KEYS = ("strongroom-backup", "strongroom-room", "strongroom-root", "strongroom-taken")


def backup_key_name(room_id: str, root_version: int) -> str:
    """The key name in a backup's EDK: the root that its wrapping key comes from."""
    return f"{room_id}/{root_version}"
