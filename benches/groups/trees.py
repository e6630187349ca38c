"""Trees of small files, durable, against a copy that is as durable."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from benches import trees
from benches.harness.row import Group, Row, clocked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.harness.row import Clock
    from benches.harness.run import Scope

FILES = 20_000
NAME = f"trees/{FILES:,} files of 1 to 16 KiB"


def groups(scope: Scope) -> Iterator[Group]:
    """Both ways, with a raw keyring and in a room."""
    if not scope.wants(NAME):
        return
    with tempfile.TemporaryDirectory(dir=scope.disk, prefix="bench-trees-") as folder:
        rows = [row(name, clocked(sample)) for name, sample in trees.rows(Path(folder), FILES)]
        yield Group(NAME, "files", FILES, trees.BASE, rows, rounds=scope.rounds, once=True)


def row(name: str, clock: Clock) -> Row:
    """`cp` is the floor; the others are ours."""
    if name.startswith(trees.BASE):
        return Row(name, "floor", clock)
    return Row(f"strongroom {name}", "strongroom", clock)
