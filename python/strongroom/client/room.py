"""`Room`: the paved road."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client import trees
from strongroom.client.admin import Classes, Keys
from strongroom.client.aio import twin
from strongroom.client.fileobj import BUFFER_SIZE, MessageFileWriter, MessageReader
from strongroom.client.inspection import inspect, room_key
from strongroom.client.results import FileResult, WhyInfo
from strongroom.errors import AccessDenied, KeyNotFound, KeyStateForbids, Misuse
from strongroom.home import Unlock, default_home, open_room, os_user
from strongroom.keys import CLASS_KEY
from strongroom.materials.room import RoomMaterials
from strongroom.model import Request

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, BinaryIO, Self

    from typing_extensions import Buffer

    from strongroom.client.results import MessageInfo, TreeResult
    from strongroom.crypto import Control, Done, EncryptionMaterials, Header
    from strongroom.keyservice import EmbeddedKeyService

    Path = str | os.PathLike[str]
    Context = Mapping[str, str] | None

DEFAULT_CLASS = "default"
DEFAULT_PURPOSE = "api"


class Room:
    """Encrypts and decrypts under the keys of one room, each use authorised and recorded before it happens.

    Made by `strongroom.open()`. Thread-safe. In a forked child, and after `close()`, its keys are gone and calls raise
    `KeyUnavailable`. Pickling carries the room's place and how to unlock it, never a key; a room opened with a
    passphrase given as an object cannot be pickled.

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
        _shared: tuple[EmbeddedKeyService, RoomMaterials] | None = None,
    ) -> None:
        self._home = os.fspath(home) if home is not None else str(default_home())
        self._unlock = unlock or Unlock()
        self._principal = principal or os_user()
        self._purpose = purpose or DEFAULT_PURPOSE
        self._service, self._materials = _shared or self._opened()
        self._is_owner = _shared is None

    def _opened(self) -> tuple[EmbeddedKeyService, RoomMaterials]:
        service = open_room(self._home, self._unlock)
        return service, RoomMaterials(service)

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
        return crypto.encrypt(
            self.materials_for_writing(data_class, context, reason, messages=1, size=_size(data)), data, control
        )

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
        return crypto.encrypt_into(
            self.materials_for_writing(data_class, context, reason, messages=1, size=_size(data)), data, out, control
        )

    def encrypted_size(
        self, length: int, *, data_class: str = DEFAULT_CLASS, context: Context = None, reason: str | None = None
    ) -> int:
        """Bytes of the message of so many plaintext bytes, exactly."""
        return crypto.encrypted_size(
            self.materials_for_writing(data_class, context, reason, messages=0, size=0), length
        )

    def encrypt_many(
        self,
        items: Sequence[Buffer],
        *,
        data_class: str = DEFAULT_CLASS,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> list[bytes]:
        """Encrypt each item into a message of its own, in one call on all cores."""
        size = sum(map(_size, items))
        return crypto.encrypt_many(
            self.materials_for_writing(data_class, context, reason, messages=len(items), size=size), items, control
        )

    def decrypt(
        self, message: Buffer, *, context: Context = None, reason: str | None = None, control: Control | None = None
    ) -> bytes:
        """Authenticate a message and return its plaintext; on any failure nothing of it."""
        header = crypto.Header.parse(message)
        return crypto.decrypt(
            header, self.materials_for_reading(header, context, reason, size=_size(message)), message, control
        )

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
        materials = self.materials_for_reading(header, context, reason, size=_size(message))
        return crypto.decrypt_into(header, materials, message, out, control)

    def decrypt_many(
        self,
        messages: Sequence[Buffer],
        *,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> list[bytes]:
        """Decrypt many messages in one call on all cores, all or nothing."""
        headers = [crypto.Header.parse(message) for message in messages]
        materials = [
            self.materials_for_reading(header, context, reason, size=_size(message))
            for header, message in zip(headers, messages, strict=True)
        ]
        return crypto.decrypt_many(headers, materials, messages, control)

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
        start = time.perf_counter()
        size = os.stat(src).st_size
        if control is not None:
            control.bytes_total = size
        materials = self.materials_for_writing(data_class, context, reason, messages=1, size=size)
        done = crypto.encrypt_file(materials, src, dst, force=force, control=control)
        return self._result(done, materials, start, src, dst, data_class=data_class)

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
        start = time.perf_counter()
        message = crypto.MessageFile.open(src)
        if control is not None:
            control.bytes_total = (message.layout() or (0, 0))[1]
        materials = self.materials_for_reading(message.header, context, reason, size=len(message))
        done = message.decrypt(materials, dst, force=force, control=control)
        return self._result(done, message.header, start, src, dst)

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
        start = time.perf_counter()
        materials = self.materials_for_writing(data_class, context, reason, messages=1, size=0)
        done = crypto.encrypt_stream(materials, reader, writer, control)
        return self._result(done, materials, start, data_class=data_class)

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
        start = time.perf_counter()
        incoming = crypto.IncomingMessage.open(reader, None, control)
        materials = self.materials_for_reading(incoming.header, context, reason, size=0)
        return self._result(incoming.decrypt(materials, writer), incoming.header, start)

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
        one, which gets its name when it is closed and never if an exception leaves its `with` block.
        """
        name = os.fspath(path)
        if mode == "wb":
            materials = self.materials_for_writing(data_class, context, reason, messages=1, size=0)
            return MessageFileWriter(crypto.MessageWriter(materials, path, force=force), name)
        if mode == "rb":
            message = crypto.MessageFile.open(path)
            materials_ = self.materials_for_reading(message.header, context, reason, size=len(message))
            reader = crypto.RangedReader.open(path, message.header, materials_)
            return io.BufferedReader(MessageReader(reader, name), BUFFER_SIZE)
        raise Misuse(f"the mode is 'rb' or 'wb', not {mode!r}")

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
        source = trees.KeySource(self, data_class, context, reason)
        options = trees.Options(resume, force, tuple(include), tuple(exclude), dry_run)
        return trees.encrypt(source, src, dst, options, control)

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
        source = trees.KeySource(self, DEFAULT_CLASS, context, reason)
        options = trees.Options(resume, force, tuple(include), tuple(exclude))
        return trees.decrypt(source, src, dst, options, only, control)

    # --- questions -----------------------------------------------------------------------------------------------

    def verify(
        self, path: Path, *, context: Context = None, reason: str | None = None, control: Control | None = None
    ) -> FileResult | TreeResult:
        """Authenticate every byte of a message file or a tree, and write nothing."""
        if os.path.isdir(path):
            return trees.verify(trees.KeySource(self, DEFAULT_CLASS, context, reason), path, control)
        start = time.perf_counter()
        message = crypto.MessageFile.open(path)
        if control is not None:
            control.bytes_total = (message.layout() or (0, 0))[1]
        materials = self.materials_for_reading(message.header, context, reason, size=len(message))
        return self._result(message.verify(materials, control), message.header, start, path)

    def verify_stream(
        self,
        reader: int | BinaryIO,
        *,
        context: Context = None,
        reason: str | None = None,
        control: Control | None = None,
    ) -> FileResult:
        """Authenticate every byte of a stream, and write nothing."""
        start = time.perf_counter()
        incoming = crypto.IncomingMessage.open(reader, None, control)
        materials = self.materials_for_reading(incoming.header, context, reason, size=0)
        return self._result(incoming.decrypt(materials), incoming.header, start)

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
            self.materials_for_reading(header, context, reason, size=0)
        except (AccessDenied, KeyNotFound, KeyStateForbids) as error:
            allowed, text = False, str(error)
        else:
            allowed, text = True, "the key opens it, and policy allows its use"
        return WhyInfo(header.context.get(CLASS_KEY), key_id, version, state, allowed, text)

    @property
    def keys(self) -> Keys:
        """The room's KEKs: list, create, rotate."""
        return Keys(self._service, self._request)

    @property
    def classes(self) -> Classes:
        """The room's data classes: list, show, create."""
        return Classes(self._service, self._request)

    def cache_stats(self) -> dict[str, int]:
        """Counters of the DEK cache."""
        return self._materials.stats()

    # --- materials -------------------------------------------------------------------------------------------------

    def materials_for_writing(
        self, data_class: str, context: Context, reason: str | None, *, messages: int, size: int
    ) -> EncryptionMaterials:
        """Materials for so many messages of `size` plaintext bytes in all, for `strongroom.crypto` itself."""
        request = self._request(reason)
        return self._materials.for_encryption(request, data_class, context, messages=messages, size=size)

    def materials_for_reading(
        self, header: Header, context: Context, reason: str | None, *, size: int
    ) -> crypto.DecryptionMaterials:
        """Materials for the message of this header, for `strongroom.crypto` itself."""
        return self._materials.for_decryption(self._request(reason), header, context, size=size)

    # --- life ----------------------------------------------------------------------------------------------------

    def acting_as(self, *, principal: str | None = None, purpose: str | None = None) -> Room:
        """The same room for another principal or purpose. It shares keys and cache, but no entry of the cache."""
        return Room(
            self._home,
            self._unlock,
            principal=principal or self._principal,
            purpose=purpose or self._purpose,
            _shared=(self._service, self._materials),
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
        return _reopen, (self._home, self._unlock, self._principal, self._purpose)

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
    averify = twin(verify)

    # --- inside ----------------------------------------------------------------------------------------------------

    def _request(self, reason: str | None) -> Request:
        return Request(self._principal, self._purpose, reason or "")

    def _result(
        self,
        done: Done,
        known: Header | EncryptionMaterials,
        start: float,
        source: Path | None = None,
        target: Path | None = None,
        *,
        data_class: str | None = None,
    ) -> FileResult:
        key_id, version = room_key(known.edks)
        return FileResult(
            source=None if source is None else os.fspath(source),
            target=None if target is None else os.fspath(target),
            plaintext_bytes=done.plaintext_bytes,
            message_bytes=done.message_bytes,
            frames=done.frames,
            message_id=done.message_id.hex(),
            data_class=data_class or (known.context.get(CLASS_KEY) if isinstance(known, crypto.Header) else None),
            key_id=key_id,
            key_version=version,
            seconds=time.perf_counter() - start,
        )


def _reopen(home: Path, unlock: Unlock, principal: str, purpose: str) -> Any:
    return Room(home, unlock, principal=principal, purpose=purpose)


def _size(data: Buffer) -> int:
    return data.nbytes if isinstance(data, memoryview) else memoryview(data).nbytes
