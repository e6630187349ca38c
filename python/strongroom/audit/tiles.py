"""Tiles and checkpoint of a log in its folder: written so that a crash leaves the old or the new, and read back."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from strongroom.crypto import merkle_entries
from strongroom.errors import AuditTampered
from strongroom.files import DIRECTORY_MODE, create_private, replacing, sync_directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path


def write_tiles(folder: Path, files: Iterable[tuple[str, bytes]], beat: Callable[[], None]) -> None:
    """Put tiles at their places, durable on return. `beat` is told of each."""
    changed: dict[Path, None] = {}
    for name, content in files:
        path = folder / name
        for parent in reversed([parent for parent in path.parents if parent.is_relative_to(folder)]):
            if not parent.exists():
                parent.mkdir(mode=DIRECTORY_MODE)
                changed[parent.parent] = None
        with replacing(path) as beside:
            create_private(beside, content)
        changed[path.parent] = None
        beat()
    for directory in changed:
        sync_directory(directory)
        beat()


def sweep(folder: Path, names: Iterable[str], before: int, size: int) -> None:
    """Remove the unfinished tiles that those at `names` have taken the place of. What the checkpoint of `before` names stays."""
    for name in dict.fromkeys(names):
        path = folder / name
        if path.parent.suffix != ".p":
            shutil.rmtree(path.with_name(f"{path.name}.p"), ignore_errors=True)
            continue
        level = name.split("/")[1]
        needed = width(before, level, (size >> height(level)) // TILE)
        for other in path.parent.iterdir():
            # what has no number was left by a crash, since nobody else writes here
            if not other.name.isdecimal() or int(other.name) < min(needed, int(path.name)):
                other.unlink(missing_ok=True)


def bundle(folder: Path, index: int, width: int) -> list[bytes]:
    """The first `width` entries of a bundle. Raises AuditTampered for one that is missing or has fewer."""
    full = folder / bundle_name(index, TILE)
    for path in (folder / bundle_name(index, width), full):
        try:
            entries = merkle_entries(path.read_bytes())[:width]
        except FileNotFoundError:
            continue
        if len(entries) == width:
            return entries
        break
    raise AuditTampered(f"{full.relative_to(folder)}: the bundle is missing, or lacks entries")


def bundles(folder: Path, start: int, size: int) -> Iterator[bytes]:
    """The entries from number `start` to `size`."""
    while start < size:
        index, skip = divmod(start, TILE)
        entries = bundle(folder, index, min(TILE, size - index * TILE))
        yield from entries[skip:]
        start = index * TILE + len(entries)


def bundle_name(index: int, width: int) -> str:
    """The path of a bundle below the folder of its log."""
    number = f"{index % 1000:03}"
    left = index // 1000
    while left:
        number = f"x{left % 1000:03}/{number}"
        left //= 1000
    return f"tile/entries/{number}" + ("" if width == TILE else f".p/{width}")


def width(size: int, level: str, index: int) -> int:
    """How many hashes or entries a tile has in a tree of `size`, 0 or less for one that is not in it."""
    return min(TILE, (size >> height(level)) - index * TILE)


def height(level: str) -> int:
    """How many levels of the tree lie beneath a level of tiles."""
    return 0 if level == "entries" else 8 * int(level)


def named(name: str) -> tuple[str, int, int] | None:
    """Level, number and width of a tile by its path, None for a path that no tile has."""
    _, level, *groups = name.split("/")
    count = TILE
    if len(groups) > 1 and groups[-2].endswith(".p"):
        if not groups[-1].isdecimal() or not 0 < int(groups[-1]) < TILE:
            return None
        count = int(groups.pop())
        groups[-1] = groups[-1].removesuffix(".p")
    digits = "".join(group.removeprefix("x") for group in groups)
    if not digits.isdecimal() or not (level == "entries" or level.isdecimal()):
        return None
    index = int(digits)
    expected = bundle_name(index, count).replace("/entries/", f"/{level}/", 1)
    return (level, index, count) if name == expected else None


def ends_before(level: str, index: int, number: int) -> bool:
    """Whether all that a tile stands for comes before entry `number`."""
    return (index + 1) * TILE << height(level) <= number


TILE = 256
