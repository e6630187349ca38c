"""Encryption at rest at the speed of the machine, with keys under governance.

```python no-run
import strongroom

room = strongroom.open()  # made by `strongroom init`
blob = room.encrypt(b"...", context={"tenant": "acme"}, reason="nightly export")
room.decrypt(blob, context={"tenant": "acme"})
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from strongroom import errors
    from strongroom.client.inspection import inspect
    from strongroom.client.room import Room
    from strongroom.client.start import info, init, open, upkeep
    from strongroom.crypto import Control

__version__ = "0.1.0"

__all__ = ["Control", "Room", "errors", "info", "init", "inspect", "open", "upkeep"]

_HOMES = {
    "Control": "strongroom.crypto",
    "Room": "strongroom.client.room",
    "info": "strongroom.client.start",
    "init": "strongroom.client.start",
    "inspect": "strongroom.client.inspection",
    "open": "strongroom.client.start",
    "upkeep": "strongroom.client.start",
}


def __getattr__(name: str) -> object:
    """Load on first use what a program may never need."""
    import importlib

    if name == "errors":
        return importlib.import_module("strongroom.errors")
    if name not in _HOMES:
        raise AttributeError(f"module 'strongroom' has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
