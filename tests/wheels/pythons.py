"""The Pythons of this machine, and clean environments for them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

OLDEST = (3, 11)


class Python(NamedTuple):
    """An interpreter."""

    version: tuple[int, int]
    path: Path

    @property
    def name(self) -> str:
        return ".".join(map(str, self.version))


def found() -> list[Python]:
    """One interpreter for each minor version: from pyenv, uv and PATH; those older than 3.9 are of no interest."""
    homes = [Path.home() / ".pyenv/versions", Path.home() / ".local/share/uv/python"]
    places = [place for home in homes for place in home.glob("*/bin")]
    places += [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if "shims" not in place]
    paths = [path for place in places for path in sorted(place.glob("python3*")) if NAME.fullmatch(path.name)]
    by_version = {version(path): path for path in dict.fromkeys(path.resolve() for path in paths)}
    return [Python(at, path) for at, path in sorted(by_version.items()) if at >= (3, 9)]


def chosen() -> list[Python]:
    """All of them, or what `STRONGROOM_WHEEL_PYTHONS` asks for: `other` is the newest that is not this one, and one too old."""
    pythons = found()
    if os.environ.get("STRONGROOM_WHEEL_PYTHONS") == "other":
        too_old = [python for python in pythons if python.version < OLDEST]
        supported = [python for python in pythons if python.version >= OLDEST]
        others = [python for python in supported if python.version != sys.version_info[:2]]
        return too_old[-1:] + (others or supported)[-1:]
    return pythons


def version(path: Path) -> tuple[int, int]:
    say = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([path, "-I", "-c", say], capture_output=True, text=True, check=False)
    major, minor = map(int, done.stdout.split()) if done.returncode == 0 else (0, 0)
    return major, minor


def environment(python: Python, place: Path) -> Path:
    """The interpreter of a new environment, in which nothing is installed but pip."""
    subprocess.run([python.path, "-m", "venv", place], check=True)
    return place / "bin" / "python"


NAME = re.compile(r"python3(\.\d+)?")
