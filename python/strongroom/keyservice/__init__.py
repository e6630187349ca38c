"""Who may use a key, and the doing and recording of it. Nothing reaches a KEK around this room."""

from strongroom.keyservice.embedded import EmbeddedKeyService
from strongroom.keyservice.making import Maker
from strongroom.keyservice.protocol import GeneratedDek, KeyService, UnwrappedDek
from strongroom.keyservice.ways import WayChange

__all__ = ["EmbeddedKeyService", "GeneratedDek", "KeyService", "Maker", "UnwrappedDek", "WayChange"]
