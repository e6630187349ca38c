"""The audit log: what happened to keys, durable before anything is released, and in a tree that others can verify.

`Sink` is the seam; `AuditLog` is the log of a room. Specified in docs/spec/audit.md.
"""

from strongroom.audit.checkpoint import Tree, Verifier
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
    LogPruned,
    LogStarted,
    OwnerChanged,
    Recovered,
    ReencryptionEnded,
    ReencryptionStarted,
    RoomCreated,
    RoomRestored,
    RootRotated,
    SettingChanged,
    UnlockChanged,
    UnlockFailed,
    Who,
)
from strongroom.audit.log import AuditLog
from strongroom.audit.metered import MeteredSink
from strongroom.audit.reading import entries
from strongroom.audit.sealing import Notary
from strongroom.audit.sink import Head, Sink

__all__ = [
    "AuditLog",
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
    "KeyAnnotated",
    "KeyCreated",
    "KeyRotated",
    "KeyStateChanged",
    "KeystoreMoved",
    "KeystoreUpgraded",
    "LeaseClosed",
    "LeaseOpened",
    "LogPruned",
    "LogStarted",
    "MeteredSink",
    "Notary",
    "OwnerChanged",
    "Recovered",
    "ReencryptionEnded",
    "ReencryptionStarted",
    "RoomCreated",
    "RoomRestored",
    "RootRotated",
    "SettingChanged",
    "Sink",
    "Tally",
    "Tree",
    "UnlockChanged",
    "UnlockFailed",
    "Verifier",
    "Who",
    "entries",
]
