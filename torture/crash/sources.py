"""A tree of files that changes, and remembers every version that there ever was of each."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path


class Source:
    """A directory of files with a marker in each. `history` holds the digests of all versions of a path."""

    def __init__(self, folder: Path, marker: bytes, dice: random.Random, count: int) -> None:
        self.folder = folder
        self.marker = marker
        self.history: dict[str, set[bytes]] = {}
        self._dice = dice
        self._now: dict[str, bytes] = {}
        folder.mkdir()
        for number in range(count):
            self._write(f"{number % 23:02}/{number % 7}/{number:05}")
        self._write("large", LARGE)
        (folder / "link").symlink_to("large")

    @property
    def now(self) -> dict[str, bytes]:
        """The digest of each file that there is."""
        return dict(self._now)

    def change(self, share: float) -> None:
        """Write that share of the files anew; a few of them go, and others come."""
        paths = sorted(self._now)
        for path in self._dice.sample(paths, round(share * len(paths))):
            if path != "large" and self._dice.random() < MOVED:
                self._remove(path)
                self._write(f"{path.rpartition('/')[0]}/{self._dice.randrange(10**9):09}")
            else:
                self._write(path, LARGE if path == "large" else None)

    def is_version(self, path: str, content: bytes) -> bool:
        """Whether this was ever the content of `path`."""
        return digest(content) in self.history.get(path, ())

    def is_current(self, path: str, content: bytes) -> bool:
        """Whether this is the content of `path` now."""
        return digest(content) == self._now.get(path)

    def _write(self, path: str, size: int | None = None) -> None:
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        length = self._dice.choice(SIZES) if size is None else size
        content = self.marker + b"\n" + self._dice.randbytes(self._dice.randrange(length * 9 // 10, length))
        target.write_bytes(content)
        self._now[path] = digest(content)
        self.history.setdefault(path, set()).add(self._now[path])

    def _remove(self, path: str) -> None:
        (self.folder / path).unlink()
        del self._now[path]


def digest(content: bytes) -> bytes:
    """What a version is known by."""
    return hashlib.blake2b(content, digest_size=16).digest()


MOVED = 0.1
SIZES = (64, 512, 4096, 4096, 8192, 70_000)
# above this the library shares a file among all its threads
LARGE = 10 << 20
