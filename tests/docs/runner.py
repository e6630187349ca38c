"""Runs the code of a Markdown page as a reader would type it, top to bottom.

- ```python blocks run in one namespace a page. With `file=NAME` after the language, a block becomes that file instead.
- ```console blocks: lines after `$ ` are commands; what stands below must be printed (`...` matches anything).
  STRONGROOM_ variables that a command exports are there for the rest of the page.
- `no-run` after the language skips a block: for commands that a test cannot or must not run.

Each page has a fresh folder and a fresh STRONGROOM_HOME. A page that does not make its own room finds one, unlocked by a
key file.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import strongroom
from strongroom import recovery

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its code, the line of the page it starts at, and the file that it is to become."""

    language: str
    code: str
    line: int
    file: str | None = None


def blocks(markdown: str) -> Iterator[Block]:
    """The blocks that are to be run."""
    for match in FENCE.finditer(markdown):
        words = match["info"].split()
        if words and words[0] in {"python", "console"} and "no-run" not in words:
            file = next((word.removeprefix("file=") for word in words if word.startswith("file=")), None)
            yield Block(words[0], match["code"], markdown.count("\n", 0, match.start()) + 2, file)


def run_page(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every block of a page in `folder`; AssertionError or the block's own exception says what is wrong."""
    markdown = page.read_text()
    found = list(blocks(markdown))
    monkeypatch.chdir(folder)
    for name in [name for name in os.environ if name.startswith(("STRONGROOM_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("STRONGROOM_HOME", str(folder / "home"))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    code = "".join(block.code for block in found)
    if "strongroom" in code and not re.search(r"strongroom[. ]init\b", code):
        make_room(folder, monkeypatch)
    namespace: dict[str, object] = {"__name__": "__main__"}
    for block in found:
        if block.file is not None:
            (folder / block.file).write_text(block.code)
        elif block.language == "python":
            run_python(block, page, namespace)
        else:
            run_console(block, page, monkeypatch)


def make_room(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = ["strongroom", "init", "--make-key-file", str(folder / "room.key"), "--no-recovery"]
    subprocess.run(command, check=True, capture_output=True, stdin=subprocess.DEVNULL)
    monkeypatch.setenv("STRONGROOM_KEY_FILE", str(folder / "room.key"))
    # else every command would remind of it
    with tempfile.TemporaryDirectory() as backups:
        file = Path(backups) / "backup"
        with strongroom.open() as room:
            recovery.create_backup(room, file)
        recovery.verify_backup(file)


def run_python(block: Block, page: Path, namespace: dict[str, object]) -> None:
    # the padding makes tracebacks point at the page
    exec(compile("\n" * (block.line - 1) + block.code, str(page), "exec"), namespace)


def run_console(block: Block, page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for command, expected in steps(block.code):
        with tempfile.NamedTemporaryFile() as exported:
            # what a command exports, the next one sees
            script = f"{command}\nstatus=$?; env -0 >{exported.name}; exit $status"
            done = subprocess.run(
                ["bash", "-c", script],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                check=False,
                timeout=120,
                stdin=subprocess.DEVNULL,
            )
            for name, _, value in (line.partition("=") for line in exported.read().decode().split("\0")):
                if name.startswith("STRONGROOM_"):
                    monkeypatch.setenv(name, value)
        where = f"{page.name}:{block.line}: $ {command}"
        assert done.returncode == 0, f"{where}\nexit code {done.returncode}\n{done.stdout}"
        assert matches(expected, done.stdout), f"{where}\nexpected:\n{expected}\nprinted:\n{done.stdout}"


def steps(code: str) -> Iterator[tuple[str, str]]:
    """(command, expected output) pairs; a backslash continues a command on the next line."""
    for step in re.split(r"^\$ ", code, flags=re.MULTILINE)[1:]:
        command, *rest = re.split(r"(?<!\\)\n", step, maxsplit=1)
        yield command, "".join(rest).strip()


def matches(expected: str, printed: str) -> bool:
    """True where nothing is expected, or where `expected` is printed, `...` standing for anything."""
    if not expected:
        return True
    pattern = ".*?".join(re.escape(part) for part in expected.split("..."))
    return re.fullmatch(pattern, printed.strip(), re.DOTALL) is not None
