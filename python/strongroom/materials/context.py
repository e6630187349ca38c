"""The encryption context as callers give it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom.errors import AuthenticationFailed, Misuse

if TYPE_CHECKING:
    from collections.abc import Mapping

    from strongroom.crypto import Header

RESERVED_PREFIXES = ("aws-crypto-", "strongroom-")
"""Context keys that callers may not use: the format's own, and ours."""


def check_context(context: Mapping[str, str] | None) -> dict[str, str]:
    """The caller's context, if it is a str→str map without reserved keys; raises `Misuse` otherwise."""
    checked = dict(context or {})
    if not all(isinstance(word, str) for pair in checked.items() for word in pair):
        raise Misuse("an encryption context maps strings to strings")
    for key in checked:
        if key.startswith(RESERVED_PREFIXES):
            raise Misuse(f"the context key {key!r} is reserved")
    return checked


def reader_context(header: Header, given: Mapping[str, str] | None) -> tuple[dict[str, str], dict[str, str]]:
    """The whole context of a message, and the pairs of it that only the reader knows.

    Every pair that the caller gives is checked: against the header where it stands there, and otherwise by the
    header's tag and the EDK, which cover pairs that the writer left out.
    """
    stored = header.context
    only_given = {}
    for key, value in dict(given or {}).items():
        if key not in stored:
            only_given[key] = value
        elif stored[key] != value:
            raise AuthenticationFailed("the message has another encryption context")
    return stored | only_given, only_given
