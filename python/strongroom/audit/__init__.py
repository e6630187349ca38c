"""The audit trail: what happened to keys, durable before anything is released.

`Sink` is the seam; `JsonLinesSink` is an append-only file. Entries are specified in docs/spec/room.md.
"""

from strongroom.audit.counting import Tally
from strongroom.audit.events import (
    ClassChanged,
    ClassCreated,
    Denied,
    Event,
    Failed,
    KeyAnnotated,
    KeyCreated,
    KeyRotated,
    KeyStateChanged,
    KeystoreMoved,
    KeystoreUpgraded,
    LeaseClosed,
    LeaseOpened,
    Recovered,
    RoomCreated,
    UnlockChanged,
    Who,
)
from strongroom.audit.metered import MeteredSink
from strongroom.audit.sink import JsonLinesSink, Sink

__all__ = [
    "ClassChanged",
    "ClassCreated",
    "Denied",
    "Event",
    "Failed",
    "JsonLinesSink",
    "KeyAnnotated",
    "KeyCreated",
    "KeyRotated",
    "KeyStateChanged",
    "KeystoreMoved",
    "KeystoreUpgraded",
    "LeaseClosed",
    "LeaseOpened",
    "MeteredSink",
    "Recovered",
    "RoomCreated",
    "Sink",
    "Tally",
    "UnlockChanged",
    "Who",
]
