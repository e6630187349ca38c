"""Migrations. Alembic is imported here and nowhere else, since opening a room needs none of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.util import CommandError

from strongroom.errors import KeystoreUnavailable

if TYPE_CHECKING:
    from sqlalchemy import Connection


def upgrade(connection: Connection) -> None:
    """Bring the tables to the newest revision, inside the transaction of `connection`. Raises KeystoreUnavailable."""
    config = Config()
    # Alembic reads its options with interpolation
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise KeystoreUnavailable(f"the tables of the keystore cannot be made: {error}") from error


MIGRATIONS = Path(__file__).parent / "migrations"
