"""What this process does to itself before it reads a secret."""

from __future__ import annotations


def forbid_core_dumps() -> None:
    """No core file of this process or of anything it starts, and no debugger of the same user."""
    from strongroom.crypto import disable_core_dumps

    disable_core_dumps()
