"""Where a secret is found: in the memory of a process, in files, in a core."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from torture.memory import Mapping, mappings
from torture.secrets.needles import Needle

CHUNK = 64 << 20
# no form is shorter, see Needle
SHORTEST = 12
# so many that the table of them stays in the processor's cache
FIRST_BITS = (1 << 20) - 1


@dataclass(frozen=True)
class Hit:
    """One find."""

    needle: Needle
    form: str
    place: str
    is_locked: bool = False

    def __str__(self) -> str:
        return f"{self.needle.name} ({self.form}) in {self.place}"


def in_process(number: int, needles: Sequence[Needle], *, in_every_form: bool) -> Iterator[Hit]:
    """Search the writable memory of a process, which must stand still: its code is nobody's secret."""
    return in_picture(picture(number), needles, in_every_form=in_every_form)


def picture(number: int) -> Iterator[tuple[Mapping, bytes]]:
    """The writable memory of a process."""
    process = Path("/proc", str(number))
    with (process / "mem").open("rb", buffering=0) as memory:
        for mapping in mappings(process):
            if "rw" not in mapping.access:
                continue
            for at in range(mapping.start, mapping.end, CHUNK):
                yield mapping, os.pread(memory.fileno(), min(CHUNK, mapping.end - at), at)


def in_picture(
    taken: Iterable[tuple[Mapping, bytes]], needles: Sequence[Needle], *, in_every_form: bool
) -> Iterator[Hit]:
    """Search memory, now or as it was."""
    sieve = Sieve(
        (needle, form, part)
        for needle in needles
        for form, part in (needle.in_memory() if in_every_form else needle.in_halves()).items()
    )
    for mapping, content in taken:
        for needle, form in sieve.found(content):
            yield Hit(needle, form, str(mapping), mapping.is_locked_secret)


class Sieve:
    """Searches for many secrets in one pass: the first bits tell of nearly every place that none of them begins there."""

    def __init__(self, forms: Iterable[tuple[Needle, str, bytes]]) -> None:
        self._begins = np.zeros(FIRST_BITS + 1, bool)
        self._parts: dict[bytes, list[tuple[Needle, str, bytes]]] = {}
        for needle, form, part in forms:
            self._begins[int.from_bytes(part[:4], "little") & FIRST_BITS] = True
            self._parts.setdefault(part[:SHORTEST], []).append((needle, form, part))

    def found(self, content: bytes) -> set[tuple[Needle, str]]:
        """Which secrets stand in it, and in which form."""
        return {
            (needle, form)
            for at in self._candidates(content)
            for needle, form, part in self._parts.get(content[at : at + SHORTEST], ())
            if content.startswith(part, at)
        }

    def _candidates(self, content: bytes) -> Iterator[int]:
        if len(content) < SHORTEST:
            return
        for first in range(4):
            words = np.frombuffer(content, "<u4", (len(content) - first) // 4, first)
            yield from (np.flatnonzero(self._begins[words & FIRST_BITS]) * 4 + first).tolist()


def in_files(folder: Path, needles: Sequence[Needle]) -> Iterator[Hit]:
    """Search every file beneath a folder, but for those that are a secret's own."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder)
        if path.is_file() and not any(part.startswith("secret-") for part in name.parts):
            yield from in_file(path, needles, str(name))


def in_descriptors(number: int, needles: Sequence[Needle]) -> Iterator[Hit]:
    """Search the open files of a process, those without a name too."""
    for path in Path("/proc", str(number), "fd").iterdir():
        if path.is_file() and not os.path.basename(os.readlink(path)).startswith("secret-"):
            yield from in_file(path, needles, f"an open file, {path.readlink()}")


def in_file(path: Path, needles: Sequence[Needle], name: str) -> Iterator[Hit]:
    """Search one file, in every notation."""
    content = path.read_bytes()
    for needle in needles:
        for form, part in (needle.in_text() | needle.in_halves()).items():
            if part in content:
                yield Hit(needle, form, name)


def in_core(path: Path, needles: Sequence[Needle]) -> Iterator[Hit]:
    """Search a core, in which registers stand as well as memory."""
    sieve = Sieve((needle, form, part) for needle in needles for form, part in needle.in_memory().items())
    for needle, form in sieve.found(path.read_bytes()):
        yield Hit(needle, form, "a core")
