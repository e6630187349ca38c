"""A bug to plant: a file in `seeds`, in TOML."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from tools.scratch import Edit

if TYPE_CHECKING:
    from collections.abc import Sequence

FOLDER = Path(__file__).parent / "seeds"


class Kind(StrEnum):
    """Where a bug is, and how it is tested."""

    PYTHON = "pytest"
    """In Python, or for tests that read the source: nothing is built."""
    RUST = "cargo"
    """In Rust, for the tests in Rust."""


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One bug."""

    name: str
    title: str
    """What the code does wrong."""
    precedent: str
    """Who had the bug, by the name under which it is known."""
    story: str
    """What happened there."""
    links: tuple[str, ...]
    edits: tuple[Edit, ...]
    kind: Kind
    tests: tuple[str, ...]
    """Arguments of pytest, or of `cargo test`: a part of the ordinary suite."""


@cache
def all_seeds() -> tuple[Seed, ...]:
    """Every bug, by name. Raises ValueError naming a file that has a field too few or too many."""
    return tuple(read(path) for path in sorted(FOLDER.glob("*.toml")))


def read(path: Path) -> Seed:
    """The bug in a file."""
    document = tomllib.loads(path.read_text())
    (kind, tests), *others = document.pop("tests").items()
    if others:
        raise ValueError(f"{path.name}: a bug has one kind of tests")
    edits = tuple(Edit(**edit) for edit in document.pop("edits"))
    links = tuple(document.pop("links"))
    try:
        return Seed(name=path.stem, edits=edits, links=links, kind=Kind(kind), tests=tuple(tests), **document)
    except TypeError as error:
        raise ValueError(f"{path.name}: {error}") from error


def harmless(kind: Kind, tests: Sequence[str]) -> Seed:
    """A patch that changes nothing but makes all the same be built anew."""
    python = Edit("python/strongroom/errors.py", "from __future__", "# a comment more\nfrom __future__")
    rust = Edit("rust/secmem/src/lib.rs", "//! Memory for keys", "//! Memory for all keys")
    return Seed(
        name="harmless",
        title=f"a comment more, {kind}",
        precedent="none",
        story="",
        links=(),
        edits=(python if kind is Kind.PYTHON else rust,),
        kind=kind,
        tests=tuple(tests),
    )
