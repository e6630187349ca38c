"""Where a secret is found: in the memory of a process, in files, in a core."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from torture.memory import Mapping, mappings
from torture.secrets.needles import Needle

CHUNK = 64 << 20


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
    forms = [
        (needle, form, part)
        for needle in needles
        for form, part in (needle.in_memory() if in_every_form else needle.in_halves()).items()
    ]
    for mapping, content in taken:
        yield from found(content, forms, mapping)


def found(content: bytes, forms: Iterable[tuple[Needle, str, bytes]], mapping: Mapping) -> Iterator[Hit]:
    """Hits in a part of a mapping."""
    for needle, form, part in forms:
        if part in content:
            yield Hit(needle, form, str(mapping), mapping.is_locked_secret)


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
    content = path.read_bytes()
    for needle in needles:
        for form, part in needle.in_memory().items():
            if part in content:
                yield Hit(needle, form, "a core")
