"""cargo-mutants in a copy of the tree, some changes at a time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from tools.scratch import copy_dependencies, copy_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path


class Fate(StrEnum):
    """What became of a change, in the words of cargo-mutants."""

    CAUGHT = "CaughtMutant"
    MISSED = "MissedMutant"
    TIMEOUT = "Timeout"
    UNVIABLE = "Unviable"


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A change of one place."""

    name: str
    file: str
    line: str
    """The text of the line that is changed, without what it is indented by."""
    change: str
    """As in "replace < with <= in Body::of_len"."""


@dataclass(frozen=True)
class Part:
    """What is changed, and the tests that are to notice."""

    name: str
    package: str
    folder: str
    tests: tuple[str, ...]

    def holds(self, file: str) -> bool:
        """Whether a file is of this part."""
        return file.startswith(f"{self.folder}/")


@dataclass
class Bench:
    """A copy of the tree, in which one thing at a time is changed and put back."""

    folder: Path
    under: Sequence[str]
    tree: Path = field(init=False)
    target: Path = field(init=False)

    def __post_init__(self) -> None:
        self.tree = self.folder / "tree"
        copy_tree(self.tree)
        without_jobs(self.tree / "rust/core")
        self.target = self.folder / "target"
        if not self.target.exists():
            copy_dependencies(self.target)

    def passes(self, part: Part) -> bool:
        """Whether the tests pass as the tree is."""
        return self._run(*self.under, "cargo", "test", "--package", part.package, *part.tests).returncode == 0

    def mutants(self, part: Part) -> list[Mutant]:
        """Every change of a part."""
        listed = self._run("cargo", "mutants", "--list", "--json", *where(part))
        if listed.returncode:
            raise RuntimeError(f"cargo mutants --list ended with {listed.returncode}:\n{listed.stderr}")
        return [self._read(mutant) for mutant in json.loads(listed.stdout)]

    def fates(self, part: Part, mutants: Iterable[Mutant], settled: Callable[[Mutant], bool]) -> dict[Mutant, Fate]:
        """What becomes of each change.

        What is known from an earlier run in the same folder is not tried again, except for a survivor that is not
        `settled`: a test may have come for it.
        """
        notes = self.folder / f"{part.name}-{self._digest(part)}.json"
        known: dict[str, str] = json.loads(notes.read_text()) if notes.is_file() else {}
        asked = {mutant.name: mutant for mutant in mutants}
        survived = {name for name, fate in known.items() if fate == Fate.MISSED}
        todo = [
            name for name, mutant in asked.items() if name not in known or (name in survived and not settled(mutant))
        ]
        for names in batches(todo):
            known |= self._try(part, names)
            notes.write_text(json.dumps(known, indent=1))
            done = sum(name in known for name in asked)
            print(f"{part.name}: {done} of {len(asked)} changes", file=sys.stderr, flush=True)
        return {mutant: Fate(known[name]) for name, mutant in asked.items()}

    def _try(self, part: Part, names: Iterable[str]) -> dict[str, str]:
        which = [argument for name in names for argument in ("--re", f"^{re.escape(name)}$")]
        output = self.folder / "mutants.out"
        command = ["cargo", "mutants", *where(part), *which, "--in-place", "--output", str(self.folder), *LIMITS]
        done = self._run(*self.under, *command, "--", *part.tests)
        # 2: some were missed; 3: some did not end
        if done.returncode not in {0, 2, 3}:
            raise RuntimeError(f"cargo mutants ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        outcomes = json.loads((output / "outcomes.json").read_text())["outcomes"]
        tried = [outcome for outcome in outcomes if outcome["scenario"] != "Baseline"]
        return {outcome["scenario"]["Mutant"]["name"]: outcome["summary"] for outcome in tried}

    def _read(self, mutant: dict[str, Any]) -> Mutant:
        name, file, start = mutant["name"], mutant["file"], mutant["span"]["start"]["line"]
        line = (self.tree / file).read_text().splitlines()[start - 1].strip()
        return Mutant(name=name, file=file, line=line, change=name.split(": ", 1)[1])

    def _digest(self, part: Part) -> str:
        """Of what is changed, without the tests that stand at its end."""
        files = sorted((self.tree / part.folder).rglob("*.rs"))
        sources = [file.read_text().split(TESTS)[0] for file in files if "tests" not in (file.stem, file.parent.name)]
        return sha256("\0".join(sources).encode()).hexdigest()[:8]

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        # our own crates are compiled more often than run
        profile = {"CARGO_PROFILE_DEV_OPT_LEVEL": "0", "CARGO_PROFILE_DEV_DEBUG": "0"}
        environment = os.environ | {"CARGO_TARGET_DIR": str(self.target)} | profile
        return subprocess.run(command, cwd=self.tree, env=environment, capture_output=True, text=True, check=False)


def without_jobs(core: Path) -> None:
    """Leaves out of the core what no part needs: a change then takes the compiler a third of the time."""
    library = core / "src/lib.rs"
    text = library.read_text()
    for room in ("job", "pipeline", "wrap"):
        text = text.replace(f"pub mod {room};\n", "")
    library.write_text(text)
    # which use them
    shutil.rmtree(core / "tests")


def where(part: Part) -> list[str]:
    """How cargo-mutants is told what to change."""
    return ["--package", part.package, "--file", f"{part.folder}/**"]


def batches(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """A few minutes each."""
    for start in range(0, len(names), BATCH):
        yield names[start : start + BATCH]


SECMEM = Part("secmem", "strongroom-secmem", "rust/secmem/src", ())
MESSAGE = Part("message", "strongroom-core", "rust/core/src/message", ("--lib", "message::"))
CACHE = Part("cache", "strongroom-core", "rust/core/src/cache", ("--lib", "cache::"))
PARTS = {part.name: part for part in (SECMEM, MESSAGE, CACHE)}
BATCH = 4
TESTS = "#[cfg(test)]\nmod tests {"
# seconds; the tests of a part pass in a few
LIMITS = ("--baseline", "skip", "--timeout", "60", "--build-timeout", "300", "--colors", "never")
