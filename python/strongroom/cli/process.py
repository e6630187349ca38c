"""What this process does to itself before it reads a secret."""

from __future__ import annotations

import resource


def forbid_core_dumps() -> None:
    """No core file of this process or of anything it starts."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
