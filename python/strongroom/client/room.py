"""`Room`: the paved road."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.audit import Tally
from strongroom.client import census, figures, files, reencryption, trees
from strongroom.client.aio import twin
from strongroom.client.classes import Classes
from strongroom.client.inspection import inspect, room_key
from strongroom.client.keys import Keys
from strongroom.client.keysource import KeySource
from strongroom.client.moving import MovingKeys
from strongroom.client.parts import in_parts, size_of
from strongroom.client.reporting import reporting
from strongroom.client.results import WhyInfo
from strongroom.client.root import Root
from strongroom.client.scopes import Scopes
from strongroom.client.settings import Settings
from strongroom.client.ways import Ways
from strongroom.errors import AccessDenied, AuthenticationFailed, KeyNotFound, KeyStateForbids, Misuse
from strongroom.home import Unlock, as_home, default_home, open_room, os_user, reaches, trail
from strongroom.keys import CLASS_KEY
from strongroom.materials.room import RoomMaterials
from strongroom.model import Request
from strongroom.observe.traces import current_trace

if TYPE_CHECKING:
    import io
    from collections.abc import Mapping, Sequence
    from typing import Any, BinaryIO, Self

    from typing_extensions import Buffer

    from strongroom.client.fileobj import MessageFileWriter
    from strongroom.client.results import FileResult, MessageInfo, PlaceCensus, ReencryptResult, TreeResult
    from strongroom.crypto import Control
    from strongroom.keyservice import EmbeddedKeyService, Export
    from strongroom.observe import Meter

    Path = str | os.PathLike[str]
    Context = Mapping[str, str] | None

DEFAULT_CLASS = "default"
DEFAULT_PURPOSE = "api"
TRACE_ID = re.compile(r"[0-9a-f]{32}")


class Room:
    """Encrypts and decrypts under the keys of one room, each use authorised and recorded before it happens.

    Made by `strongroom.open()`. Thread-safe. In a forked child, and after `close()`, its keys are gone and calls raise
    `KeyUnavailable`. Pickling carries the room's place and how to unlock it, never a key; a room opened with a
    passphrase given as an object cannot be pickled. What is pickled leaves its `meter` behind.

    `data_class` names how data is protected; `context` (str→str) is authenticated and stored in the clear, and every
    pair given on decryption is checked; `reason` goes to the audit log.
    """

    def __init__(
        self,
        home: Path | None = None,
        unlock: Unlock | None = None,
        *,
        principal: str | None = None,
        purpose: str | None = None,
        meter: Meter | None = None,
        cache: bool = True,
        _shared: tuple[EmbeddedKeyService, RoomMaterials] | None = None,
        _trace: str | None = None,
    ) -> None:
        self._home = os.fspath(home) if home is not None else str(default_home())
        self._unlock = unlock or Unlock()
        self._principal = principal or os_user()
        self._purpose = purpose or DEFAULT_PURPOSE
        self._service, self._materials = _shared or self._opened(meter, caching=cache)
        self._is_owner = _shared is None
        self._trace = _trace

    def _opened(self, meter: Meter | None, *, caching: bool) -> tuple[EmbeddedKeyService, RoomMaterials]:
        service = open_room(self._home, self._unlock, meter)
        return service, RoomMaterials(service, caching=caching)

    # --- bytes ---------------------------------------------------------------------------------------------------

    def encrypt(
        self,
        data: Buffer,
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> bytes:
        """Encrypt and authenticate bytes into one message. `data` must not change during the call."""
        cached = self._materials.cache.encrypt((self._principal, self._purpose, data_class), context, data, control)
        if cached is not None:
            return cached
        materials = self._keys(data_class, context, reason).encryption(size_of(data))
        return crypto.encrypt(materials, data, control)

    def encrypt_into(
        self,
        data: Buffer,
        out: Buffer,
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> int:
        """The same into a buffer of at least `encrypted_size` bytes; returns how many are the message."""
        materials = self._keys(data_class, context, reason).encryption(size_of(data))
        return crypto.encrypt_into(materials, data, out, control)

    def encrypted_size(
        self, length: int, *, data_class: str = DEFAULT_CLASS, context: Context = None, reason: str | None = None
    ) -> int:
        """Bytes of the message of so many plaintext bytes, exactly."""
        materials = self._keys(data_class, context, reason).encryption(0, messages=0)
        return crypto.encrypted_size(materials, length)

    def encrypt_many(
        self,
        items: Sequence[Buffer],
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> list[bytes]:
        """Encrypt each item into a message of its own, in one call on all cores.

        More items than a data key of the class may serve are encrypted in parts, each under a data key of its own.
        """

        def encrypt(items: Sequence[Buffer]) -> list[bytes]:
            parts = (self._principal, self._purpose, data_class)
            cached = self._materials.cache.encrypt_many(parts, context, items, control)
            if cached is not None:
                return cached
            materials = keys.encryption(sum(map(size_of, items)), messages=len(items))
            return crypto.encrypt_many(materials, items, control)

        keys = self._keys(data_class, context, reason)
        if not self._materials.caching:
            return [message for item in items for message in encrypt([item])]
        return in_parts(encrypt, items)

    def decrypt(
        self, message: Buffer, *, context: Context = None, reason: str | None = None, control: Control | None = None
    ) -> bytes:
        """Authenticate a message and return its plaintext; on any failure nothing of it."""
        # not `reporting`, for the sake of small messages
        try:
            cached = self._materials.cache.decrypt((self._principal, self._purpose), context, message, None, control)
            if cached is not None:
                return cached
            header = crypto.Header.parse(message)
            materials = self._keys(DEFAULT_CLASS, context, reason).decryption(header, size_of(message))
            return crypto.decrypt(header, materials, message, control)
        except AuthenticationFailed as error:
            self.note_refused(error, reason=reason)
            raise

    @reporting
    def decrypt_into(
        self,
        message: Buffer,
        out: Buffer,
        *,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> int:
        """The same into a buffer; returns how many bytes are plaintext. A failure zeroes what it would fill."""
        header = crypto.Header.parse(message)
        materials = self._keys(DEFAULT_CLASS, context, reason).decryption(header, size_of(message))
        return crypto.decrypt_into(header, materials, message, out, control)

    @reporting
    def decrypt_many(
        self,
        messages: Sequence[Buffer],
        *,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> list[bytes]:
        """Decrypt many messages in one call on all cores, all or nothing."""
        if not self._materials.caching:
            return [self.decrypt(message, context=context, reason=reason, control=control) for message in messages]
        fetch = self._keys(DEFAULT_CLASS, context, reason).decryption
        parts = (self._principal, self._purpose)
        return self._materials.cache.decrypt_many(parts, dict(context or {}), messages, fetch, None, control)

    # --- files and streams ---------------------------------------------------------------------------------------

    def encrypt_file(
        self,
        src: Path,
        dst: Path,
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        force: bool = False,
        control: Control | None = None,
    ) -> FileResult:
        """Encrypt a regular file into `dst`, which appears whole and durable or not at all.

        An existing `dst` raises `TargetExists` unless `force`. A source that changes meanwhile raises `SourceChanged`.
        """
        return files.encrypt(self._keys(data_class, context, reason), src, dst, force=force, control=control)

    @reporting
    def decrypt_file(
        self,
        src: Path,
        dst: Path,
        *,
        context: Context = None,
        reason: str | None = None,
        force: bool = False,
        control: Control | None = None,
    ) -> FileResult:
        """Decrypt a message file into `dst`, which appears when every byte is authentic, or not at all."""
        return files.decrypt(self._keys(DEFAULT_CLASS, context, reason), src, dst, force=force, control=control)

    def encrypt_stream(
        self,
        reader: int | BinaryIO,
        writer: int | BinaryIO,
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> FileResult:
        """Encrypt a stream in constant memory. Descriptors are read and written by Rust; file objects through Python."""
        return files.encrypt_stream(self._keys(data_class, context, reason), reader, writer, control)

    @reporting
    def decrypt_stream(
        self,
        reader: int | BinaryIO,
        writer: int | BinaryIO,
        *,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> FileResult:
        """Decrypt a stream in constant memory.

        Frames are written as they are authenticated: on an error `writer` has got a prefix of the plaintext, and the
        caller must not take it for the whole.
        """
        return files.decrypt_stream(self._keys(DEFAULT_CLASS, context, reason), reader, writer, control)

    @reporting
    def open(
        self,
        path: Path,
        mode: str = "rb",
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        force: bool = False,
    ) -> io.BufferedReader | MessageFileWriter:
        """A file object over a message file.

        `rb` seeks and reads ranges of an unsigned framed message (`UnsupportedFormat` elsewhere). `wb` writes a new
        one, which gets its name when it is closed and never if an exception leaves its `with` block. The first read of
        an object that meets what is not authentic is recorded in the audit log, as that of any other method.
        """
        keys, refused = self._keys(data_class, context, reason), partial(self.note_refused, reason=reason)
        return files.open_file(keys, path, mode, force=force, refused=refused)

    # --- trees ---------------------------------------------------------------------------------------------------

    def encrypt_tree(
        self,
        src: Path,
        dst: Path,
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        resume: bool = False,
        force: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        dry_run: bool = False,
        control: Control | None = None,
    ) -> TreeResult:
        """Encrypt a directory: one message a file, and an encrypted manifest of names, modes, times and links.

        `resume` continues an interrupted run or brings an older tree up to date. Files that fail are reported
        together in `PartialFailure`; the others are done.
        """
        keys = self._keys(data_class, context, reason)
        options = trees.Options(resume, force, tuple(include), tuple(exclude), dry_run)
        return trees.encrypt(keys, src, dst, options, control)

    @reporting
    def decrypt_tree(
        self,
        src: Path,
        dst: Path,
        *,
        context: Context = None,
        reason: str | None = None,
        resume: bool = False,
        force: bool = False,
        include: Sequence[str] = (),
        exclude: Sequence[str] = (),
        only: Path | None = None,
        control: Control | None = None,
    ) -> TreeResult:
        """Decrypt a tree, or with `only` one file of it. Missing, added, swapped or older files are named and refused."""
        keys = self._keys(DEFAULT_CLASS, context, reason)
        options = trees.Options(resume, force, tuple(include), tuple(exclude))
        return trees.decrypt(keys, src, dst, options, only, control)

    # --- moving to other keys --------------------------------------------------------------------------------------

    @reporting
    def reencrypt(
        self,
        path: Path,
        *,
        context: Context = None,
        reason: str | None = None,
        to_suite: int | None = None,
        everything: bool = False,
        rate: int | None = None,
        dry_run: bool = False,
        control: Control | None = None,
    ) -> ReencryptResult:
        """Move a message file, a tree, or all of them beneath a folder to the key version that encrypts now.

        Each message is decrypted, encrypted with class and context as they are, verified, and takes the place of the
        old one at once: readers always find one of the two. What is settled is left alone, unless `everything`. `to_suite`
        also moves what is in another suite. `rate` bounds bytes of plaintext a second. After a crash, call it again. The audit log
        gets an entry when it begins and one when it ends, however that is; a dry run has none.
        Files that fail are reported together in `PartialFailure` and stay as they were.
        """
        keys = MovingKeys(self._materials, self._request(reason), context, to_suite, everything)
        return reencryption.reencrypt(keys, path, reencryption.Options(rate, dry_run), control, self._service)

    def census(
        self, paths: Sequence[Path], *, reason: str | None = None, control: Control | None = None
    ) -> tuple[PlaceCensus, ...]:
        """Count messages by class, key version and suite at each path, from headers alone, and remember the counts.

        A key version can be destroyed once the last census of every place says that nothing stands under it. One that could
        not read everything does not say so.
        """
        taken = tuple(census.census(path, control) for path in paths)
        for place in taken:
            self._service.record_census(self._request(reason), census.to_record(place))
        return taken

    def forget_census(self, place: str, *, reason: str | None = None) -> None:
        """Forget a place, `host:absolute path`, that is no more. Raises `Misuse` if it was never counted."""
        self._service.forget_census(self._request(reason), place)

    # --- questions -----------------------------------------------------------------------------------------------

    @reporting
    def verify(
        self, path: Path, *, context: Context = None, reason: str | None = None, control: Control | None = None
    ) -> FileResult | TreeResult:
        """Authenticate every byte of a message file or a tree, and write nothing."""
        keys = self._keys(DEFAULT_CLASS, context, reason)
        if os.path.isdir(path):
            return trees.verify(keys, path, control)
        return files.verify(keys, path, control)

    @reporting
    def verify_stream(
        self,
        reader: int | BinaryIO,
        *,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> FileResult:
        """Authenticate every byte of a stream, and write nothing."""
        return files.decrypt_stream(self._keys(DEFAULT_CLASS, context, reason), reader, None, control)

    def inspect(self, path: Path) -> MessageInfo:
        """What the header of a message file says; nothing of it is authentic."""
        return inspect(path)

    def why(self, path: Path, *, context: Context = None, reason: str | None = None) -> WhyInfo:
        """Whether this principal may open a message, and why or why not. Asks for the key; reads no plaintext."""
        header = crypto.MessageFile.open(path).header
        key_id, version = room_key(header.edks)
        state = next(
            (v.state for k in self.keys.list() if k.id == key_id for v in k.versions if v.version == version), None
        )
        try:
            self._keys(DEFAULT_CLASS, context, reason).decryption(header)
        except (AccessDenied, KeyNotFound, KeyStateForbids) as error:
            allowed, text = False, str(error)
        else:
            allowed, text = True, "the key opens it, and policy allows its use"
        return WhyInfo(header.context.get(CLASS_KEY), key_id, version, state, allowed, text)

    @property
    def keys(self) -> Keys:
        """The room's KEKs and their lifecycle: list, show, create, rotate, suspend, compromise, destroy and so on."""
        return Keys(self._service, self._request, self._materials)

    @property
    def scopes(self) -> Scopes:
        """The room's registered scopes, such as tenants: list, register."""
        return Scopes(self._service, self._request)

    @property
    def classes(self) -> Classes:
        """The room's data classes: list, show, create, set."""
        return Classes(self._service, self._request)

    @property
    def settings(self) -> Settings:
        """What holds for the room as a whole: witnesses of its audit logs, and where entries are forwarded to."""
        return Settings(self._service, self._request)

    @property
    def ways(self) -> Ways:
        """What opens the room: list, add, change, remove."""
        return Ways(self._service, self._request)

    @property
    def root(self) -> Root:
        """The root key: show, rotate."""
        return Root(self._service, self._request, self._unlock)

    def export(self, *, reason: str | None = None) -> Export:
        """What a backup holds, for `strongroom.recovery.create_backup`, which most callers want."""
        return self._service.export(self._request(reason))

    def backup_verified(self, backup: str, epoch: int, state: str, *, reason: str | None = None) -> None:
        """Record in the audit trail that a backup was verified, as `strongroom.recovery.verify_backup` does."""
        self._service.record_verified(self._request(reason), backup, epoch, state)

    @property
    def home(self) -> str:
        """The directory of the room."""
        return self._home

    def cache_stats(self) -> dict[str, int]:
        """Counters of the DEK cache."""
        return self._materials.stats()

    def note_refused(self, error: AuthenticationFailed, *, reason: str | None = None) -> None:
        """Record in the audit log that a message did not authenticate. The methods that read messages do so themselves."""
        self._service.note_refused(self._request(reason), error)

    def measure(self, meter: Meter) -> None:
        """Set the gauges of `meter`: what keys are like, what the cache has done, and who answers.

        That is versions by state, days to rotation and expiry; tokens, witnesses, and the place that entries are forwarded to.
        Tokens that nobody has asked for a minute are asked, which takes until their deadline where one hangs.
        """
        description = self._service.describe(self._request(None))
        figures.measure(description, self.cache_stats(), datetime.now(UTC), meter)
        figures.measure_tokens(self._service.standing(), meter)
        settings = self._service.settings(self._request(None))
        figures.measure_reach(reaches(as_home(self._home), settings), datetime.now(UTC), meter)

    def recount(self, meter: Meter) -> None:
        """Add everything that the audit trail holds to `meter`, a new one: what all processes together have done."""
        tally = Tally(meter)
        for entry in trail(self._home):
            tally.count(entry)

    # --- life ----------------------------------------------------------------------------------------------------

    def acting_as(
        self, *, principal: str | None = None, purpose: str | None = None, trace_id: str | None = None
    ) -> Room:
        """The same room for another principal or purpose. It shares keys and cache, but no entry of the cache.

        `trace_id`, 32 hex digits as in W3C Trace Context, stands in the entries that its calls make in the audit log. Without
        one, that of the active OpenTelemetry span does. Raises `Misuse`.
        """
        if trace_id is not None and (not TRACE_ID.fullmatch(trace_id) or not int(trace_id, 16)):
            raise Misuse("a trace id has 32 hex digits, in lower case and not all of them 0")
        return Room(
            self._home,
            self._unlock,
            principal=principal or self._principal,
            purpose=purpose or self._purpose,
            _shared=(self._service, self._materials),
            _trace=trace_id or self._trace,
        )

    def close(self) -> None:
        """Wipe every key of the room from this process and close its leases. A room made by `acting_as` only lets go."""
        if self._is_owner:
            self._materials.close()
            self._service.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Room {self._home} as {self._principal!r} for {self._purpose!r}>"

    def __reduce__(self) -> tuple[object, ...]:
        return _reopen, (self._home, self._unlock, self._principal, self._purpose, self._materials.caching)

    # --- asynchronous twins ----------------------------------------------------------------------------------------

    aencrypt = twin(encrypt)
    aencrypt_into = twin(encrypt_into)
    aencrypt_many = twin(encrypt_many)
    adecrypt = twin(decrypt)
    adecrypt_into = twin(decrypt_into)
    adecrypt_many = twin(decrypt_many)
    aencrypt_file = twin(encrypt_file)
    adecrypt_file = twin(decrypt_file)
    aencrypt_tree = twin(encrypt_tree)
    adecrypt_tree = twin(decrypt_tree)
    acensus = twin(census)
    areencrypt = twin(reencrypt)
    averify = twin(verify)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _request(self, reason: str | None) -> Request:
        return Request(self._principal, self._purpose, reason or "", trace=self._trace or current_trace())

    def _keys(self, data_class: str, context: Context, reason: str | None) -> KeySource:
        return KeySource(self._materials, self._request(reason), data_class, context)


def _reopen(home: Path, unlock: Unlock, principal: str, purpose: str, cache: bool) -> Any:  # noqa: FBT001 - as it is pickled
    return Room(home, unlock, principal=principal, purpose=purpose, cache=cache)
