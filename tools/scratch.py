"""A copy of the tree to plant a fault in, and the fault: text that replaces other text, which must stand there once."""

from __future__ import annotations

import filecmp
import os
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

ROOT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Edit:
    """Text to put into a file in the place of other text."""

    file: str
    old: str
    new: str

    @classmethod
    def insertion(cls, file: str, text: str, *, before: str) -> Edit:
        """Text to put into a file, before other text."""
        return cls(file, before, text + before)


class AnchorGone(Exception):
    """The code has changed where something was to be planted: the plant needs a new place."""


def edited(tree: Path, name: str, edits: Iterable[Edit]) -> dict[Path, str]:
    """The files that the edits of a plant change, as they become. Raises AnchorGone, with the plant's name."""
    texts: dict[Path, str] = {}
    for edit in edits:
        path = tree / edit.file
        text = texts.get(path) or path.read_text()
        if (times := text.count(edit.old)) != 1:
            raise AnchorGone(f"{edit.old!r} stands {times} times in {edit.file}, not once: find '{name}' a place")
        texts[path] = text.replace(edit.old, edit.new)
    return texts


@contextmanager
def planted(tree: Path, name: str, edits: Iterable[Edit]) -> Iterator[None]:
    """The tree with a plant in it, as long as this lasts."""
    texts = edited(tree, name, edits)
    originals = {path: path.read_text() for path in texts}
    try:
        write(texts)
        yield
    finally:
        write(originals)


def copy_tree(tree: Path) -> None:
    """The files of this tree as they are, without what is built. Those that are there already keep their times."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in filter(None, files.split("\0")):
        if (ROOT / file).is_file() and not is_copied(file, tree):
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, tree / file)


def is_copied(file: str, tree: Path) -> bool:
    """Whether the copy has a file as it is here. Its time says nothing: a fault may have been left in it."""
    return (tree / file).is_file() and filecmp.cmp(ROOT / file, tree / file, shallow=False)


def write(texts: dict[Path, str]) -> None:
    """Write files, whose times then say that they are new."""
    for path, text in texts.items():
        path.write_text(text)


def copy_dependencies(target: Path) -> None:
    """What is compiled already of others' crates, so that only ours are built."""
    compiled = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")) / "debug"
    for part in ("deps", "build", ".fingerprint"):
        if (compiled / part).is_dir():
            shutil.copytree(compiled / part, target / "debug" / part, symlinks=True, ignore=ours)


def ours(folder: str, names: list[str]) -> Iterator[str]:
    """Of a folder of build output, what is not worth a copy: our own crates and whole programs."""
    for name in names:
        is_program = folder.endswith("deps") and not name.startswith("lib")
        if "strongroom" in name or is_program:
            yield name
