"""Levels: which classes have their KEKs behind tokens, or in them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """One table more. No row that was there changes."""
    op.create_table(
        "levels",
        sa.Column("data_class", sa.String(64), primary_key=True),
        sa.Column("level", sa.String(32), nullable=False),
        sa.Column("token", sa.Text, nullable=True),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
