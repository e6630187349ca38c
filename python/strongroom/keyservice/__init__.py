"""Who may use a key, and the doing and recording of it. Nothing reaches a KEK around this room."""

from strongroom.keyservice.embedded import EmbeddedKeyService
from strongroom.keyservice.exporting import Export
from strongroom.keyservice.moves import About
from strongroom.keyservice.protocol import GeneratedDek, KeyService, UnwrappedDek
from strongroom.keyservice.registry import first_change
from strongroom.keyservice.roots import RootPlan, unwrapped
from strongroom.keyservice.scheduling import DueTask
from strongroom.keyservice.supply import kek_prefix
from strongroom.keyservice.ways import WayChange

__all__ = [
    "About",
    "DueTask",
    "EmbeddedKeyService",
    "Export",
    "GeneratedDek",
    "KeyService",
    "RootPlan",
    "UnwrappedDek",
    "WayChange",
    "first_change",
    "kek_prefix",
    "unwrapped",
]
