"""The jobs over trees: `encrypt --resume` over earlier outputs, and `decrypt --resume` over earlier files."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from strongroom.errors import PartialFailure, StrongroomError

from torture.crash.killing import End
from torture.crash.sources import Source
from torture.place import Place
from torture.traces import files, leaks, temporaries


class EncryptTree:
    """`strongroom encrypt SRC DST --resume`."""

    name = "encrypt a tree"

    def __init__(self, place: Place, source: Source) -> None:
        self.place = place
        self.source = source
        self.target = place.folder / "encrypted"
        self.midway = 0
        self._room = place.open()

    def prepare(self, share: float) -> None:
        """Change that share of the sources."""
        self.source.change(share)

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start("encrypt", self.source.folder, self.target, "--resume", "--no-progress")

    def judge(self, end: End) -> Iterator[str]:
        """Every message is whole and of a version that existed; after a run that ended, of the current one."""
        self.midway += end.killed and (self.target / ".strongroom/journal").exists()
        yield from self._not_whole(current=not end.killed)
        yield from self._not_as_named()
        yield from leaked(self.place, self.source)
        if not end.killed:
            yield from finished(end, self.place)
            if (self.target / ".strongroom/journal").exists():
                yield "a journal is left of a run that ended"

    def _not_whole(self, *, current: bool) -> Iterator[str]:
        messages = {path: self._source_of(path) for path in files(self.target) if path.parent.name != ".strongroom"}
        messages = {path: name for path, name in messages.items() if name is not None}
        is_right = self.source.is_current if current else self.source.is_version
        for path, name in messages.items():
            content = self._decrypted(path)
            if content is None:
                yield f"{path} is not whole"
            elif not is_right(name or "", content):
                yield f"{path} is not {'the current' if current else 'a'} version of its source"
        if current and set(messages.values()) != set(self.source.now):
            yield "the outputs are not those of the current sources"

    def _source_of(self, path: Path) -> str | None:
        """The path that a message is of. None for what an unfinished writer may leave, which has another name."""
        return str(path.relative_to(self.target)).removesuffix(".sr") if path.suffix == ".sr" else None

    def _decrypted(self, path: Path) -> bytes | None:
        try:
            return self._room.decrypt(path.read_bytes())
        except StrongroomError:
            return None

    def _not_as_named(self) -> Iterator[str]:
        """A reader sees no gap: manifest and journal name what stands."""
        if not (self.target / ".strongroom/manifest.sr").exists():
            return
        try:
            self._room.verify(self.target)
        except PartialFailure as failure:
            yield from (f"a reader finds {path}: {error}" for path, error in failure.failures[:3])
        except StrongroomError as error:
            yield f"a reader finds: {error}"


class DecryptTree:
    """`strongroom decrypt SRC DST --resume`, of a tree that is brought up to date between runs."""

    name = "decrypt a tree"

    def __init__(self, place: Place, source: Source) -> None:
        self.place = place
        self.source = source
        self.encrypted = place.folder / "to-decrypt"
        self.target = place.folder / "decrypted"
        self.midway = 0
        self._room = place.open()
        self._known: set[str] = set()

    def prepare(self, share: float) -> None:
        """Change that share of the sources, and encrypt them."""
        self.source.change(share)
        self._room.encrypt_tree(self.source.folder, self.encrypted, resume=True)

    def start(self) -> subprocess.Popen[str]:
        """Begin the command."""
        return self.place.start("decrypt", self.encrypted, self.target, "--resume", "--no-progress")

    def judge(self, end: End) -> Iterator[str]:
        """Every file is whole and a version that existed; after a run that ended, the current one."""
        standing = {str(path.relative_to(self.target)): path for path in files(self.target)}
        current = 0
        for name, path in standing.items():
            content = path.read_bytes()
            current += self.source.is_current(name, content)
            # what an unfinished writer may leave has a name of its own, and is looked at when a run has ended
            if not path.name.startswith(".strongroom-") and not self.source.is_version(name, content):
                yield f"{path} is not a version of its source"
        self.midway += end.killed and 0 < current < len(self.source.now)
        yield from leaked(self.place, self.source, self.target)
        if not end.killed:
            yield from finished(end, self.place)
            if current != len(self.source.now):
                yield f"{current} files are current, of {len(self.source.now)}"


def leaked(place: Place, source: Source, *allowed: Path) -> Iterator[str]:
    """Plaintext where none may be."""
    for path in leaks(place.folder, source.marker, allowed=[source.folder, *allowed]):
        yield f"{path} holds plaintext"


def finished(end: End, place: Place) -> Iterator[str]:
    """What a run that ended by itself has to be like: successful, and nothing temporary left of earlier ones."""
    if end.code != 0:
        yield f"exit code {end.code}: {end.stderr.strip()}"
    for path in temporaries(place.folder):
        yield f"{path} is left"
