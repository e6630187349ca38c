"""What operations report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class FileResult:
    """One message written or read. Sizes in bytes, time in seconds; names are None for streams."""

    source: str | None
    target: str | None
    plaintext_bytes: int
    message_bytes: int
    frames: int
    message_id: str
    data_class: str | None
    key_id: str | None
    key_version: int | None
    seconds: float


@dataclass(frozen=True, slots=True)
class TreeResult:
    """A tree written or read, or what a dry run would do.

    `resumed` counts files that an earlier run had done, `removed` outputs whose source is gone, `hard_links` files that
    became copies. `skipped` and `failures` pair a path with the reason. Sizes in bytes, time in seconds.
    """

    source: str
    target: str | None
    files: int
    directories: int
    links: int
    plaintext_bytes: int
    message_bytes: int
    resumed: int
    removed: int
    hard_links: int
    skipped: tuple[tuple[str, str], ...]
    failures: tuple[tuple[str, Exception], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class ReencryptResult:
    """What was re-encrypted, or in a dry run would be.

    `files` are messages: `moved` are under the current key now, `settled` were before. `others` are files that are no
    messages. Sizes in bytes, of what was moved; time in seconds; `failures` pairs a path with the reason.
    """

    path: str
    dry_run: bool
    files: int
    moved: int
    settled: int
    others: int
    plaintext_bytes: int
    message_bytes: int
    failures: tuple[tuple[str, Exception], ...]
    seconds: float


@dataclass(frozen=True, slots=True)
class CensusCount:
    """What stands under one key version, class and suite; key and version are None where no room wrapped the data key.

    Sizes are those of the messages, in bytes. `days` says when their files were last changed: day, messages, bytes.
    """

    data_class: str | None
    key_id: str | None
    version: int | None
    suite: int
    messages: int
    bytes: int
    files: int
    days: tuple[tuple[date, int, int], ...]


@dataclass(frozen=True, slots=True)
class PlaceCensus:
    """What was counted in one place, `host:absolute path`. Totals count each message once.

    `others` are files without a message, `links` were not followed. What is `unread` may hold anything: then the census
    is not `complete`, and that it counts nothing does not say that nothing is there.
    """

    place: str
    taken: datetime
    counts: tuple[CensusCount, ...]
    messages: int
    bytes: int
    files: int
    others: int
    links: int
    unread: tuple[tuple[str, Exception], ...]
    seconds: float

    @property
    def complete(self) -> bool:
        """Whether everything was looked at."""
        return not self.unread


@dataclass(frozen=True, slots=True)
class MessageInfo:
    """What a header says. Nothing of it is authentic until the message is decrypted or verified.

    `edks` pairs provider id and key name; `frames` and `plaintext_bytes` are None where only a full read could tell.
    """

    version: int
    suite: int
    suite_name: str
    signed: bool
    message_id: str
    context: Mapping[str, str]
    edks: tuple[tuple[str, str], ...]
    frame_length: int | None
    header_bytes: int
    message_bytes: int
    frames: int | None
    plaintext_bytes: int | None
    data_class: str | None
    key_id: str | None
    key_version: int | None


@dataclass(frozen=True, slots=True)
class WhyInfo:
    """Whether the caller may open a message, and why or why not."""

    data_class: str | None
    key_id: str | None
    key_version: int | None
    state: str | None
    allowed: bool
    reason: str
