"""What things are called: ids, the key name inside an EDK, data classes, reserved context keys."""

from __future__ import annotations

import re
from dataclasses import dataclass
from secrets import token_hex
from typing import TYPE_CHECKING

from strongroom.errors import Misuse

if TYPE_CHECKING:
    from collections.abc import Iterable

    from strongroom.crypto import Edk

NAMESPACE = "strongroom"
RESERVED_PREFIX = "strongroom-"
CLASS_KEY = "strongroom-class"


def new_id() -> str:
    """A random id of 128 bits, 32 lowercase hex digits: says nothing about what it names, and is never reused."""
    return token_hex(16)


@dataclass(frozen=True, slots=True)
class KeyName:
    """The key name that an EDK of a room carries: `<key id>/<version>`."""

    key_id: str
    version: int

    def __str__(self) -> str:
        return f"{self.key_id}/{self.version}"

    @classmethod
    def parse(cls, name: str) -> KeyName | None:
        """The key id and version in `name`, or None if it is not of that form."""
        match = KEY_NAME.fullmatch(name)
        return cls(match[1], int(match[2])) if match else None

    @classmethod
    def of(cls, edk: Edk) -> KeyName | None:
        """The key version of a room that wrapped an EDK, in memory or in a token; None where none says so."""
        return cls.parse(edk.key_name(NAMESPACE) or "")


def check_class_name(name: str) -> None:
    """Raises Misuse unless `name` can name a data class: 1 … 64 of a-z, 0-9, `.`, `_`, `-`, a letter or digit first."""
    if not CLASS_NAME.fullmatch(name):
        raise Misuse(
            f"{name!r} cannot name a data class: use 1 to 64 of a-z, 0-9, '.', '_' and '-', beginning with a letter or digit"
        )


def check_context(names: Iterable[str]) -> None:
    """Raises Misuse if a context key uses the prefix that rooms keep for themselves."""
    for name in names:
        if name.startswith(RESERVED_PREFIX):
            raise Misuse(f"context key {name!r}: the prefix {RESERVED_PREFIX!r} is reserved")


KEY_NAME = re.compile(r"([0-9a-f]{32})/([1-9][0-9]{0,8})", re.ASCII)
CLASS_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
