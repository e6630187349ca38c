"""The audit trail: what happened to keys, durable before anything is released.

`Sink` is the seam; `JsonLinesSink` is an append-only file. Entries are specified in docs/spec/room.md.
"""

from strongroom.audit.counting import Tally
from strongroom.audit.events import (
    BackupCreated,
    BackupVerified,
    CensusForgotten,
    CensusTaken,
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
    OwnerChanged,
    Recovered,
    RoomCreated,
    RoomRestored,
    RootRotated,
    UnlockChanged,
    Who,
)
from strongroom.audit.metered import MeteredSink
from strongroom.audit.sink import Head, JsonLinesSink, Sink

__all__ = [
    "BackupCreated",
    "BackupVerified",
    "CensusForgotten",
    "CensusTaken",
    "ClassChanged",
    "ClassCreated",
    "Denied",
    "Event",
    "Failed",
    "Head",
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
    "OwnerChanged",
    "Recovered",
    "RoomCreated",
    "RoomRestored",
    "RootRotated",
    "Sink",
    "Tally",
    "UnlockChanged",
    "Who",
]
