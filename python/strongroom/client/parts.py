"""More messages than one data key may serve."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.errors import LimitExceeded

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Buffer


def in_parts(encrypt: Callable[[Sequence[Buffer]], list[bytes]], items: Sequence[Buffer]) -> list[bytes]:
    """What `encrypt` makes of all items, or of each half of them if they are too many for one data key."""
    try:
        return encrypt(items)
    except LimitExceeded:
        if len(items) < 2:
            raise
    half = len(items) // 2
    return in_parts(encrypt, items[:half]) + in_parts(encrypt, items[half:])


def size_of(data: Buffer) -> int:
    """Its bytes."""
    return data.nbytes if isinstance(data, memoryview) else memoryview(data).nbytes
