"""A copy of the tree, its build output, and the tests that are run in it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from tools.scratch import ROOT, copy_dependencies, copy_tree, planted
from torture.bugs.seed import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torture.bugs.seed import Seed


class CannotTell(Exception):
    """Neither passed nor failed: a patch that does not compile, or tests that were not found."""


@dataclass(frozen=True)
class Outcome:
    """What the tests said."""

    passed: bool
    failures: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def told(self) -> str:
        """Which test noticed first."""
        first, *more = self.failures or ("the test program ended early",)
        return f"{first}{f' and {len(more)} more' if more else ''}"


@dataclass
class Workshop:
    """A place for one bug at a time. In a folder that was used before, only what changed is built anew."""

    folder: Path
    tree: Path = field(init=False)
    target: Path = field(init=False)

    def __post_init__(self) -> None:
        self.tree, self.target = self.folder / "tree", self.folder / "target"
        copy_tree(self.tree)
        self._take_extension()
        found = self._python("-c", "import strongroom.crypto as c; print(c.__file__)").stdout.strip()
        if not found.startswith(str(self.tree)):
            raise CannotTell(f"the tests would run on {found}, not on the copy")

    def plant(self, seed: Seed) -> Outcome:
        """What the tests of a bug say while it is there."""
        with planted(self.tree, seed.name, seed.edits):
            return self.test(seed.kind, seed.tests)

    def test(self, kind: Kind, tests: Sequence[str]) -> Outcome:
        """Runs tests of the tree as it is. Raises CannotTell if it does not compile."""
        started = time.monotonic()
        outcome = self._cargo_test(tests) if kind is Kind.RUST else self._pytest(tests)
        return Outcome(outcome.passed, outcome.failures, time.monotonic() - started)

    def _pytest(self, tests: Sequence[str]) -> Outcome:
        done = self._python("-m", "pytest", "-q", "-p", "no:cacheprovider", "--maxfail=5", *tests)
        if done.returncode not in {0, 1}:
            raise CannotTell(f"pytest {' '.join(tests)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
        failures = re.findall(r"^(?:FAILED|ERROR) (\S+)", done.stdout, re.MULTILINE)
        return Outcome(done.returncode == 0, tuple(failures))

    def _cargo_test(self, tests: Sequence[str]) -> Outcome:
        self._cargo("test", "--no-run", *tests)
        done = self._run("cargo", "test", *tests)
        if done.returncode == 0 and " 0 failed" in done.stdout and not re.search(r"[1-9]\d* passed", done.stdout):
            raise CannotTell(f"cargo test {' '.join(tests)} found no test")
        failures = re.findall(r"^test (.+?) \.\.\. FAILED$", done.stdout, re.MULTILINE)
        return Outcome(done.returncode == 0, tuple(dict.fromkeys(failures)))

    def _take_extension(self) -> None:
        """Under a new inode: a process may have the old one mapped."""
        place = self.tree / EXTENSION
        place.unlink(missing_ok=True)
        shutil.copy(ROOT / EXTENSION, place)

    def _cargo(self, *arguments: str) -> None:
        if not self.target.exists():
            copy_dependencies(self.target)
        done = self._run("cargo", *arguments)
        if done.returncode != 0:
            raise CannotTell(f"cargo {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")

    def _python(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self._run(sys.executable, *arguments)

    def _run(self, *command: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "PYTHONPATH": str(self.tree / "python"),
            # a patch and its removal may be of the same second and size, which is all that cached bytecode looks at
            "PYTHONDONTWRITEBYTECODE": "1",
            "CARGO_TARGET_DIR": str(self.target),
        }
        environment.pop("PYTEST_ADDOPTS", None)
        return subprocess.run(
            command, cwd=self.tree, env=environment, capture_output=True, text=True, errors="replace", check=False
        )


EXTENSION = "python/strongroom/_rust.abi3.so"
