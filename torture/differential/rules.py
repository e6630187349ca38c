"""Where both readers may differ, and why: each rule is as narrow as its reason."""

from __future__ import annotations

import re
from collections.abc import Callable

from torture.differential.readers import Verdict, ours

Rule = Callable[[bytes, Verdict, Verdict], bool]


def explain(message: bytes, mine: Verdict, other: Verdict) -> str | None:
    """The rule that explains a difference; None if there is none."""
    return next((name for name, holds in RULES.items() if holds(message, mine, other)), None)


def trailing(message: bytes, mine: Verdict, other: Verdict) -> bool:
    """The SDK stops at the end of a message. Without what follows we must read the same."""
    if other.plaintext is None:
        return False
    said = re.search(r"malformed at byte (\d+): bytes after the end of the message", mine.why)
    # what follows may look like more frames, which then do not authenticate: somewhere before them is the end
    ends = [int(said[1])] if said else range(len(message))
    return any(ours(message[:end]).plaintext == other.plaintext for end in ends)


def too_many(message: bytes, mine: Verdict, other: Verdict) -> bool:
    """The SDK has no limit of its own, and each key costs a try."""
    return "the number of encrypted data keys is" in mine.why and other.plaintext is not None


def counted_nothing(message: bytes, mine: Verdict, other: Verdict) -> bool:
    """The specification wants no bytes at all for no pairs; the SDK also reads a count of zero."""
    return message[35:39] == b"\0\x02\0\0" and "an empty encryption context has no count" in mine.why


def uncompressed(message: bytes, mine: Verdict, other: Verdict) -> bool:
    """A point has two forms, and the header's tag covers whichever it is; the SDK knows one."""
    return mine.plaintext is not None and other.why == r"KeyError: b'\x04'"


def no_frame_length(message: bytes, mine: Verdict, other: Verdict) -> bool:
    """The specification wants more than zero; the SDK reads a message of one empty frame without it."""
    return "the frame length is zero" in mine.why and other.plaintext == b""


RULES: dict[str, Rule] = {
    "the SDK leaves bytes after the end unread": trailing,
    "we take 64 encrypted data keys": too_many,
    "the SDK reads an empty context with a count": counted_nothing,
    "the SDK reads an empty message with a frame length of zero": no_frame_length,
    "the SDK does not read uncompressed public keys": uncompressed,
}
