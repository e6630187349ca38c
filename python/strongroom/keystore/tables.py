"""The tables, as the newest migration leaves them. Column order is part of what a row's MAC covers."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table, Text

METADATA = MetaData()

META = Table(
    "meta",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("format", Integer, nullable=False),
    Column("room", String(32), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("newest", BigInteger, nullable=False),
    Column("root_version", Integer, nullable=False),
    Column("wrapped_mac_key", LargeBinary, nullable=False),
    Column("moved_to", Text, nullable=True),
    Column("members", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

CLASSES = Table(
    "classes",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("suite", Integer, nullable=False),
    Column("frame_length", BigInteger, nullable=False),
    Column("lease_seconds", BigInteger, nullable=False),
    Column("max_messages", BigInteger, nullable=False),
    Column("max_bytes", BigInteger, nullable=False),
    Column("scope_keys", Text, nullable=False),
    Column("open", Integer, nullable=False),
    Column("rotate_every", BigInteger, nullable=False),
    Column("originator_usage", BigInteger, nullable=False),
    Column("recipient_usage", BigInteger, nullable=False),
    Column("destroy_wait", BigInteger, nullable=False),
    Column("census_age", BigInteger, nullable=False),
    Column("max_wraps", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("data_class", String(64), nullable=False),
    Column("scope", Text, nullable=True),
    Column("current", Integer, nullable=False),
    Column("primary_version", Integer, nullable=False),
    Column("owner", Text, nullable=False),
    Column("contact", Text, nullable=False),
    Column("description", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

KEY_VERSIONS = Table(
    "key_versions",
    METADATA,
    Column("key_id", String(32), ForeignKey("keys.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("state", String(32), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("activates", BigInteger, nullable=True),
    Column("activated", BigInteger, nullable=True),
    Column("active_until", BigInteger, nullable=True),
    Column("destroy_at", BigInteger, nullable=True),
    Column("left_state", String(32), nullable=True),
    Column("compromised", Integer, nullable=False),
    Column("edges", Integer, nullable=False),
    Column("history_mac", LargeBinary, nullable=False),
    Column("root_version", Integer, nullable=False),
    Column("wrapped_kek", LargeBinary, nullable=True),
    Column("mac", LargeBinary, nullable=False),
)

KEY_HISTORY = Table(
    "key_history",
    METADATA,
    Column("key_id", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("edge", Integer, nullable=False),
    Column("source", String(32), nullable=True),
    Column("target", String(32), nullable=False),
    Column("actor", Text, nullable=False),
    Column("principal", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("approvals", Text, nullable=True),
    Column("event_id", String(32), nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

CENSUS = Table(
    "census",
    METADATA,
    Column("place", Text, primary_key=True),
    Column("key_id", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("messages", BigInteger, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("files", BigInteger, nullable=False),
    Column("taken", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("event_id", String(32), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

WRAP_COUNTERS = Table(
    "wrap_counters",
    METADATA,
    Column("key_id", String(32), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("reserved", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

AUDIT_LOGS = Table(
    "audit_logs",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("place", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

AUDIT_HEADS = Table(
    "audit_heads",
    METADATA,
    Column("log", String(32), primary_key=True),
    Column("size", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

LEVELS = Table(
    "levels",
    METADATA,
    Column("data_class", String(64), primary_key=True),
    Column("level", String(32), nullable=False),
    Column("token", Text, nullable=True),
    Column("mac", LargeBinary, nullable=False),
)

SETTINGS = Table(
    "settings",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

# what the set MAC covers: all but the meta row, which carries it; histories, whose heads stand in the versions; the
# counters and the heads of logs, which change too often; and the outbox, which is emptied without a change
MEMBERS = (CLASSES, LEVELS, KEYS, KEY_VERSIONS, CENSUS, AUDIT_LOGS, SETTINGS)
# keystores of before there were any have none of these until the first row is written
LATE = (AUDIT_LOGS, AUDIT_HEADS, LEVELS, SETTINGS)
