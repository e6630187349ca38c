"""The audit trail of a room, read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from strongroom.errors import AuditUnavailable
from strongroom.home.places import AUDIT_DIRECTORY, AUDIT_FILE, as_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from strongroom.home.unlock import StrPath


def trail(home: StrPath | None = None) -> Iterator[Mapping[str, object]]:
    """Every entry of the room at `home`, oldest first. A last one that is torn or being written is left out.

    Raises AuditUnavailable.
    """
    path = as_home(home) / AUDIT_DIRECTORY / AUDIT_FILE
    try:
        with path.open("rb") as lines:
            yield from (json.loads(line) for line in lines if line.endswith(b"\n"))
    except (OSError, ValueError) as error:
        raise AuditUnavailable(f"the audit trail {path} cannot be read: {error}") from error
