"""Defeats the checks after a fork, in memory: a child then takes the pages that the kernel wiped for keys.

What the kernel zeroes in a child are the pages of secrets, each with a magic at its start, and the page of the witness
that numbers processes. With both put back as they were in the parent, nothing tells the child from it but the keys.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from torture.memory import Mapping, mappings

MAGIC = b"strongrm"
PAGE = 4096


@dataclass(frozen=True)
class Witness:
    """First words of all pages that the kernel wipes in a child."""

    words: dict[int, bytes]

    @classmethod
    def of_this_process(cls) -> Witness:
        """As they are now, before the fork."""
        wiped = [mapping for mapping in mappings(Path("/proc/self")) if "wf" in mapping.flags]
        return cls({page: ctypes.string_at(page, 8) for mapping in wiped for page in pages(mapping)})

    def forge(self) -> None:
        """In a child: put them back."""
        for page, word in self.words.items():
            if ctypes.string_at(page, 8) == bytes(8):
                ctypes.memmove(page, word, 8)


def pages(mapping: Mapping) -> range:
    """Where each page of a mapping starts."""
    return range(mapping.start, mapping.end, PAGE)
