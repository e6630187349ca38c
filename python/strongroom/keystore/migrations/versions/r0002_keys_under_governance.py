"""Keys under governance: scopes and periods of classes, the lifecycle of versions, histories, census and outbox.

Every row is authenticated with all its columns, so none can be carried over by SQL: `strongroom keystore upgrade` reads and
verifies the rows of the first keystore, removes them, comes here, and writes them anew.
"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Put the new tables in the place of the old ones, which are empty."""
    for name in ("wrap_counters", "key_versions", "keys", "classes", "meta"):
        if op.get_bind().execute(sa.select(sa.literal(1)).select_from(sa.table(name)).limit(1)).first():
            raise RuntimeError(f"{name} holds rows that only `strongroom keystore upgrade` can carry over")
        op.drop_table(name)
    op.create_table(
        "meta",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("format", sa.Integer, nullable=False),
        sa.Column("room", sa.String(32), nullable=False),
        sa.Column("owner", sa.String(255), nullable=False),
        sa.Column("epoch", sa.BigInteger, nullable=False),
        sa.Column("newest", sa.BigInteger, nullable=False),
        sa.Column("root_version", sa.Integer, nullable=False),
        sa.Column("wrapped_mac_key", sa.LargeBinary, nullable=False),
        sa.Column("moved_to", sa.Text, nullable=True),
        sa.Column("members", sa.LargeBinary, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "classes",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("suite", sa.Integer, nullable=False),
        sa.Column("frame_length", sa.BigInteger, nullable=False),
        sa.Column("lease_seconds", sa.BigInteger, nullable=False),
        sa.Column("max_messages", sa.BigInteger, nullable=False),
        sa.Column("max_bytes", sa.BigInteger, nullable=False),
        sa.Column("scope_keys", sa.Text, nullable=False),
        sa.Column("open", sa.Integer, nullable=False),
        sa.Column("rotate_every", sa.BigInteger, nullable=False),
        sa.Column("originator_usage", sa.BigInteger, nullable=False),
        sa.Column("recipient_usage", sa.BigInteger, nullable=False),
        sa.Column("destroy_wait", sa.BigInteger, nullable=False),
        sa.Column("census_age", sa.BigInteger, nullable=False),
        sa.Column("max_wraps", sa.BigInteger, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", sa.String(32), primary_key=True),
        sa.Column("data_class", sa.String(64), nullable=False),
        sa.Column("scope", sa.Text, nullable=True),
        sa.Column("current", sa.Integer, nullable=False),
        sa.Column("primary_version", sa.Integer, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("contact", sa.Text, nullable=False),
        sa.Column("description", sa.Text, nullable=False),
        sa.Column("tags", sa.Text, nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "key_versions",
        sa.Column("key_id", sa.String(32), sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("state", sa.String(32), nullable=False),
        sa.Column("created", sa.BigInteger, nullable=False),
        sa.Column("activates", sa.BigInteger, nullable=True),
        sa.Column("activated", sa.BigInteger, nullable=True),
        sa.Column("active_until", sa.BigInteger, nullable=True),
        sa.Column("destroy_at", sa.BigInteger, nullable=True),
        sa.Column("left_state", sa.String(32), nullable=True),
        sa.Column("compromised", sa.Integer, nullable=False),
        sa.Column("edges", sa.Integer, nullable=False),
        sa.Column("history_mac", sa.LargeBinary, nullable=False),
        sa.Column("root_version", sa.Integer, nullable=False),
        sa.Column("wrapped_kek", sa.LargeBinary, nullable=True),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "key_history",
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("edge", sa.Integer, nullable=False),
        sa.Column("source", sa.String(32), nullable=True),
        sa.Column("target", sa.String(32), nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("principal", sa.Text, nullable=False),
        sa.Column("purpose", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("time", sa.BigInteger, nullable=False),
        sa.Column("approvals", sa.Text, nullable=True),
        sa.Column("event_id", sa.String(32), nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "census",
        sa.Column("place", sa.Text, primary_key=True),
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("messages", sa.BigInteger, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("files", sa.BigInteger, nullable=False),
        sa.Column("taken", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "outbox",
        sa.Column("event_id", sa.String(32), primary_key=True),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("line", sa.LargeBinary, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "wrap_counters",
        sa.Column("key_id", sa.String(32), primary_key=True),
        sa.Column("version", sa.Integer, primary_key=True),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("mac", sa.LargeBinary, nullable=False),
    )
