"""The tables of format 1, which only `strongroom keystore upgrade` reads. They never change again."""

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, LargeBinary, MetaData, String, Table

METADATA = MetaData()

META = Table(
    "meta",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("format", Integer, nullable=False),
    Column("room", String(32), nullable=False),
    Column("owner", String(255), nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("root_version", Integer, nullable=False),
    Column("wrapped_mac_key", LargeBinary, nullable=False),
    Column("members", LargeBinary, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

CLASSES = Table(
    "classes",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("key_id", String(32), nullable=False),
    Column("suite", Integer, nullable=False),
    Column("frame_length", BigInteger, nullable=False),
    Column("lease_seconds", BigInteger, nullable=False),
    Column("max_messages", BigInteger, nullable=False),
    Column("max_bytes", BigInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("mac", LargeBinary, nullable=False),
)

KEYS = Table(
    "keys",
    METADATA,
    Column("id", String(32), primary_key=True),
    Column("data_class", String(64), nullable=False),
    Column("scope", String, nullable=True),
    Column("primary_version", Integer, nullable=False),
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
    Column("active_until", BigInteger, nullable=True),
    Column("root_version", Integer, nullable=False),
    Column("wrapped_kek", LargeBinary, nullable=False),
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

MEMBERS = (CLASSES, KEYS, KEY_VERSIONS)
