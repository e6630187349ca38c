"""The audit log of a room, read back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from strongroom.audit import entries
from strongroom.errors import AuditUnavailable
from strongroom.home.log import folders
from strongroom.home.places import as_home

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from strongroom.home.unlock import StrPath


def trail(home: StrPath | None = None) -> Iterator[Mapping[str, object]]:
    """Every entry of the room at `home`, oldest first. A last one that is torn or being written is left out.

    Raises AuditUnavailable.
    """
    for folder in folders(as_home(home)):
        try:
            yield from map(json.loads, entries(folder))
        except ValueError as error:
            raise AuditUnavailable(f"the audit log {folder} cannot be read: {error}") from error
