"""Data classes whose limits are reached soon, so that data keys turn over."""

from __future__ import annotations

from dataclasses import dataclass

from strongroom.model import Request

from torture.place import Place


@dataclass(frozen=True)
class Limits:
    """What a data key of the class may serve, and how messages of the class are made."""

    messages: int
    size: int = 2**60
    suite: int = 0x0478
    seconds: int = 300


def make_classes(place: Place) -> None:
    """All classes of `CLASSES` in the room."""
    with place.open() as room:
        for name, limits in CLASSES.items():
            # the room's own method has no limit of bytes to set
            room._service.create_class(
                Request("torture", "torture", "to be used up"),
                name,
                suite=limits.suite,
                lease_seconds=limits.seconds,
                max_messages=limits.messages,
                max_bytes=limits.size,
            )


CLASSES = {
    "three": Limits(3),
    "fifty": Limits(50),
    "bytes": Limits(1000, size=200_000),
    "signed": Limits(20, suite=0x0578),
    "second": Limits(10_000, seconds=1),
}
