"""Every error that Strongroom raises on purpose.

```
StrongroomError
├── Misuse                    the call cannot mean anything            (also ValueError)
├── FormatError               the bytes are not a message we read
│   ├── MalformedMessage      not what the format says; carries the offset
│   ├── TruncatedMessage      ends too early
│   └── UnsupportedFormat     a version, suite or policy that is not read
├── AuthenticationFailed      a tag, commitment or signature does not match: no detail, ever
├── TreeMismatch              something in a tree is not what its manifest names
├── LimitExceeded             a size or count above its cap
├── AuditTampered             something in an audit log is not what was written to it
├── AccessDenied              policy said no, or said nothing
├── KeyNotFound               no key at hand opens this
│   └── ClassNotFound         no such data class in this room
├── KeyStateForbids           the key version's lifecycle state does not allow it
├── KeyChanged                the key was rotated by someone else meanwhile
├── KeyUnavailable            the key was in this process and is no more (closed room, fork)
├── RoomError
│   ├── RoomNotFound          there is no room here
│   ├── RoomExists            there is one already
│   ├── RoomLocked            nothing was given to unlock it with
│   ├── BadPassphrase         what was given does not unlock it
│   ├── RoomOutdated          its keystore is of an older format: `strongroom keystore upgrade`
│   ├── RoomUnsafe            permissions are looser than 0600 / 0700
│   └── RoomTampered          a row, the set or the epoch does not verify
├── BackendUnavailable        keystore, provider or audit sink says nothing
│   ├── KeystoreUnavailable
│   │   └── KeystoreMoved     it was moved while this process had it open: open the room again
│   ├── ProviderUnavailable
│   │   └── TokenFault        a PKCS#11 module refused a call, or did not return from it
│   └── AuditUnavailable
├── TargetExists              the destination exists and nobody said to replace it
├── SourceChanged             the source changed while it was read
├── Cancelled                 the caller cancelled the job
├── PartialFailure            several targets, some failed; `.failures` names them
└── InternalError             our bug
```

Each class carries `code` (stable, for logs and dashboards), `exit_code` (CLI), `http_status` (service) and `retryable`.
Failures of the operating system stay what they are in Python: `OSError` with its file name.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar


class StrongroomError(Exception):
    """The base of every error here. Never holds a key, a passphrase or plaintext."""

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    retryable: ClassVar[bool] = False


class Misuse(StrongroomError, ValueError):
    """The call cannot mean anything: an impossible length, a reserved context key, two unlock sources."""

    code = "misuse"
    exit_code = 2
    http_status = 400


class FormatError(StrongroomError):
    """The bytes are not a message that this build and this policy read."""

    code = "format"
    exit_code = 22
    http_status = 422


class MalformedMessage(FormatError):
    """The bytes break the format. `offset` says where, in bytes from the start of the input."""

    code = "format.malformed"

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class TruncatedMessage(FormatError):
    """The bytes end too early."""

    code = "format.truncated"
    exit_code = 21


class UnsupportedFormat(FormatError):
    """A version, algorithm suite or content type that is not read, or not under this commitment policy."""

    code = "format.unsupported"


class AuthenticationFailed(StrongroomError):
    """A tag, commitment, context or signature does not match. Carries no detail and no plaintext, ever."""

    code = "authentication"
    exit_code = 20
    http_status = 422


class TreeMismatch(StrongroomError):
    """Something in a tree is not what its manifest names: missing, extra, swapped, renamed or replaced."""

    code = "tree.mismatch"
    exit_code = 20
    http_status = 422


class AuditTampered(StrongroomError):
    """Something in an audit log is not what was written to it, or is missing: someone changed it, or put back an older one."""

    code = "audit.tampered"
    exit_code = 20


class LimitExceeded(StrongroomError):
    """A size or count is above its cap. The caps of readers can be raised by the caller."""

    code = "limit"
    exit_code = 22
    http_status = 413


class AccessDenied(StrongroomError):
    """Policy denied the request, or gave no decision."""

    code = "denied"
    exit_code = 13
    http_status = 403


class KeyNotFound(StrongroomError):
    """No key at hand opens this message, or there is no key of that name."""

    code = "key.not-found"
    exit_code = 10
    http_status = 404


class ClassNotFound(KeyNotFound):
    """The room has no data class of that name."""

    code = "class.not-found"


class KeyStateForbids(StrongroomError):
    """The lifecycle state of the key version does not allow this operation."""

    code = "key.state"
    exit_code = 14
    http_status = 409


class KeyChanged(StrongroomError):
    """Someone else changed the key between reading and writing it, and nothing was done. Look at it, and try again."""

    code = "key.changed"
    http_status = 409
    retryable = True


class KeyUnavailable(StrongroomError):
    """The key was in this process and is no more: the room was closed, or a fork left it behind. Open the room again."""

    code = "key.unavailable"
    http_status = 503


class RoomError(StrongroomError):
    """Something about the room itself."""

    code = "room"


class RoomNotFound(RoomError):
    """There is no room at this place. `strongroom init` makes one."""

    code = "room.not-found"
    http_status = 404


class RoomExists(RoomError):
    """There is a room at this place already; it is left as it is."""

    code = "room.exists"
    http_status = 409


class RoomLocked(RoomError):
    """No passphrase, key file or credential was given."""

    code = "room.locked"
    exit_code = 11
    http_status = 503


class BadPassphrase(RoomError):
    """The passphrase, key file or recovery kit does not open this room."""

    code = "room.bad-passphrase"
    exit_code = 12
    http_status = 403


class RoomOutdated(RoomError):
    """The keystore has an older format. `strongroom keystore upgrade` backs it up and brings it to the newest one."""

    code = "room.outdated"
    exit_code = 22
    http_status = 503


class RoomUnsafe(RoomError):
    """Files of the room are readable or writable by others. The message holds the command that mends it."""

    code = "room.unsafe"


class RoomTampered(RoomError):
    """A row, the set of rows or the epoch does not verify: someone changed the keystore or put back an older one."""

    code = "room.tampered"
    exit_code = 20


class BackendUnavailable(StrongroomError):
    """A keystore, provider or audit sink does not answer. Nothing was released."""

    code = "unavailable"
    exit_code = 30
    http_status = 503
    retryable = True


class KeystoreUnavailable(BackendUnavailable):
    """The keystore does not answer."""

    code = "unavailable.keystore"


class KeystoreMoved(KeystoreUnavailable):
    """The keystore was moved while this process had it open. Open the room again. `moved_to` says where it is."""

    code = "unavailable.keystore-moved"

    def __init__(self, message: str, moved_to: str = "") -> None:
        super().__init__(message)
        self.moved_to = moved_to


class ProviderUnavailable(BackendUnavailable):
    """The provider of a root key or KEK does not answer."""

    code = "unavailable.provider"


class TokenFault(ProviderUnavailable):
    """A PKCS#11 module refused a call, or did not return from it in time.

    `ckr` is the code that it returned, None if it returned none; `reason` is `returned`, `late`, `stuck`, `unloadable`,
    `corrupt`, `nonsense` or `gone`.
    """

    code = "unavailable.token"

    def __init__(self, message: str, reason: str = "returned", ckr: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.ckr = ckr


class AuditUnavailable(BackendUnavailable):
    """The audit sink cannot record, so nothing may be used."""

    code = "unavailable.audit"


class TargetExists(StrongroomError):
    """The destination exists, and neither resuming nor replacing it was asked for."""

    code = "target.exists"
    http_status = 409


class SourceChanged(StrongroomError):
    """The source changed while it was read; no output was made of it."""

    code = "source.changed"
    retryable = True


class Cancelled(StrongroomError):
    """The caller cancelled the job. Nothing of it has a final name."""

    code = "cancelled"
    exit_code = 130
    http_status = 499


class PartialFailure(StrongroomError):
    """Several targets, and some failed. `failures` holds (target, error) pairs; the others are done."""

    code = "partial"
    exit_code = 3
    http_status = 207

    def __init__(self, message: str, failures: Sequence[tuple[str, Exception]]) -> None:
        super().__init__(message)
        self.failures = tuple(failures)


class InternalError(StrongroomError):
    """Our bug. Please report it."""

    code = "internal"
