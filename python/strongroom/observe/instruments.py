"""Every figure that a room gives to a monitor: its name, its labels, and what it says.

Names follow https://prometheus.io/docs/practices/naming. No label has more values than the room has data classes, key versions of one
key, states of the lifecycle, ways in, witnesses or kinds of error: key ids, principals, contexts and paths are in the audit trail, not here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """How figures of an instrument come together."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One figure. `buckets` are the upper bounds of a histogram, in its unit."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


DATA_KEYS = Instrument(
    "strongroom_data_keys",
    Kind.COUNTER,
    "Data keys released: generated (one wrap under the key version each) or unwrapped",
    ("data_class", "version", "action"),
)
MESSAGES = Instrument(
    "strongroom_messages", Kind.COUNTER, "Messages that data keys served", ("data_class", "version", "outcome")
)
BYTES = Instrument(
    "strongroom_bytes", Kind.COUNTER, "Plaintext bytes that data keys served", ("data_class", "version", "outcome")
)
LEASES_CLOSED = Instrument(
    "strongroom_leases_closed", Kind.COUNTER, "Leases that ended, and how", ("data_class", "version", "outcome")
)
LEASE_SECONDS = Instrument(
    "strongroom_lease_seconds",
    Kind.HISTOGRAM,
    "How long leases lasted",
    ("data_class",),
    (0.01, 0.1, 1, 10, 60, 300, 900, 3600, 86400),
)
FAILURES = Instrument(
    "strongroom_failures",
    Kind.COUNTER,
    "Requests that came to nothing: outcome is `denied` or the code of an error",
    ("data_class", "action", "outcome"),
)
CHANGES = Instrument("strongroom_changes", Kind.COUNTER, "Changes of keys, classes and the room, by event", ("event",))
AUDIT_SECONDS = Instrument(
    "strongroom_audit_seconds",
    Kind.HISTOGRAM,
    "How long it took to make an entry of the audit trail durable",
    (),
    (0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10),
)
CACHE = Instrument(
    "strongroom_cache",
    Kind.GAUGE,
    "What the cache of data keys has done since the room was opened, and how many it holds",
    ("what",),
)
KEY_VERSIONS = Instrument(
    "strongroom_key_versions", Kind.GAUGE, "Key versions by class and state", ("data_class", "state")
)
ROTATION_DAYS = Instrument(
    "strongroom_rotation_days",
    Kind.GAUGE,
    "Days until the first key of a class is due for rotation; negative when it is overdue",
    ("data_class",),
)
EXPIRY_DAYS = Instrument(
    "strongroom_expiry_days",
    Kind.GAUGE,
    "Days until the first key version of a class may no longer decrypt",
    ("data_class",),
)
TOKEN_UP = Instrument(
    "strongroom_token_up",
    Kind.GAUGE,
    "Whether a token that opens the room gave its root when it was asked last: 1 or 0",
    ("way",),
)
WITNESS_UP = Instrument(
    "strongroom_witness_up", Kind.GAUGE, "Whether a witness cosigned when it was asked last: 1 or 0", ("witness",)
)
WITNESS_SECONDS = Instrument(
    "strongroom_witness_reached_seconds",
    Kind.GAUGE,
    "Seconds since a witness cosigned last; infinite if it never did",
    ("witness",),
)
WITNESS_BEHIND = Instrument(
    "strongroom_witness_behind", Kind.GAUGE, "Sealed entries that a witness has not cosigned yet", ("witness",)
)
FORWARDING_UP = Instrument(
    "strongroom_forwarding_up",
    Kind.GAUGE,
    "Whether the target that entries are forwarded to took them when it was told last: 1 or 0; 1 where there is none",
)
FORWARDING_SECONDS = Instrument(
    "strongroom_forwarding_reached_seconds",
    Kind.GAUGE,
    "Seconds since the target took entries, or was seen to have them all; infinite if never, 0 where there is none",
)
FORWARDING_BEHIND = Instrument(
    "strongroom_forwarding_behind", Kind.GAUGE, "Sealed entries that the target has not got yet"
)

INSTRUMENTS = (
    DATA_KEYS,
    MESSAGES,
    BYTES,
    LEASES_CLOSED,
    LEASE_SECONDS,
    FAILURES,
    CHANGES,
    AUDIT_SECONDS,
    CACHE,
    KEY_VERSIONS,
    ROTATION_DAYS,
    EXPIRY_DAYS,
    TOKEN_UP,
    WITNESS_UP,
    WITNESS_SECONDS,
    WITNESS_BEHIND,
    FORWARDING_UP,
    FORWARDING_SECONDS,
    FORWARDING_BEHIND,
)
