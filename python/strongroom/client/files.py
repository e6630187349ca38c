"""Message files and streams for `Room`."""

from __future__ import annotations

import io
import os
import time
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client.fileobj import MessageFileWriter, buffered
from strongroom.client.inspection import room_key
from strongroom.client.results import FileResult
from strongroom.errors import Misuse, SourceChanged
from strongroom.keys import CLASS_KEY

if TYPE_CHECKING:
    from typing import BinaryIO

    from strongroom.client.fileobj import Refused
    from strongroom.client.keysource import KeySource
    from strongroom.crypto import Control, Done, EncryptionMaterials, Header

    Path = str | os.PathLike[str]
    Stream = int | BinaryIO


def encrypt(keys: KeySource, src: Path, dst: Path, *, force: bool, control: Control | None) -> FileResult:
    """One regular file into one message file."""
    start = time.perf_counter()
    size = os.stat(src).st_size
    if control is not None:
        control.bytes_total = size
    materials = keys.encryption(size)
    done = crypto.encrypt_file(materials, src, dst, force=force, control=control)
    return _written(keys, materials, done, start, src, dst)


def decrypt(keys: KeySource, src: Path, dst: Path, *, force: bool, control: Control | None) -> FileResult:
    """One message file into one regular file."""
    start = time.perf_counter()
    message, materials = _opened(keys, src, control)
    done = message.decrypt(materials, dst, force=force, control=control)
    return _read(message.header, done, start, src, dst)


def verify(keys: KeySource, src: Path, control: Control | None) -> FileResult:
    """One message file, every byte, into nothing."""
    start = time.perf_counter()
    message, materials = _opened(keys, src, control)
    return _read(message.header, message.verify(materials, control), start, src)


def encrypt_stream(keys: KeySource, reader: Stream, writer: Stream, control: Control | None) -> FileResult:
    """A stream into a message."""
    start = time.perf_counter()
    materials = keys.encryption(0)
    return _written(keys, materials, crypto.encrypt_stream(materials, reader, writer, control), start)


def decrypt_stream(keys: KeySource, reader: Stream, writer: Stream | None, control: Control | None) -> FileResult:
    """A message into a stream, or into nothing."""
    start = time.perf_counter()
    incoming = crypto.IncomingMessage.open(reader, None, control)
    done = incoming.decrypt(keys.decryption(incoming.header), writer)
    return _read(incoming.header, done, start)


def open_file(
    keys: KeySource, path: Path, mode: str, *, force: bool, refused: Refused
) -> io.BufferedReader | MessageFileWriter:
    """A file object over a message file. `refused` is told of what does not authenticate later."""
    name = os.fspath(path)
    if mode == "wb":
        return MessageFileWriter(crypto.MessageWriter(keys.encryption(0), path, force=force), name)
    if mode == "rb":
        return buffered(_ranged(keys, path), name, refused)
    raise Misuse(f"the mode is 'rb' or 'wb', not {mode!r}")


def _ranged(keys: KeySource, path: Path, attempts: int = 3) -> crypto.RangedReader:
    """Ranges of the message that stands now. One that is re-encrypted between its header and its first frame is opened anew."""
    message, materials = _opened(keys, path, None)
    try:
        return crypto.RangedReader.open(path, message.header, materials)
    except SourceChanged:
        if attempts == 1:
            raise
        return _ranged(keys, path, attempts - 1)


def _opened(
    keys: KeySource, src: Path, control: Control | None
) -> tuple[crypto.MessageFile, crypto.DecryptionMaterials]:
    message = crypto.MessageFile.open(src)
    if control is not None:
        control.bytes_total = (message.layout() or (0, 0))[1]
    return message, keys.decryption(message.header, len(message))


def _written(
    keys: KeySource,
    materials: EncryptionMaterials,
    done: Done,
    start: float,
    source: Path | None = None,
    target: Path | None = None,
) -> FileResult:
    key = room_key(materials.edks)
    return _result(done, keys.data_class, key, start, source, target)


def _read(
    header: Header, done: Done, start: float, source: Path | None = None, target: Path | None = None
) -> FileResult:
    return _result(done, header.context.get(CLASS_KEY), room_key(header.edks), start, source, target)


def _result(
    done: Done,
    data_class: str | None,
    key: tuple[str | None, int | None],
    start: float,
    source: Path | None,
    target: Path | None,
) -> FileResult:
    return FileResult(
        source=None if source is None else os.fspath(source),
        target=None if target is None else os.fspath(target),
        plaintext_bytes=done.plaintext_bytes,
        message_bytes=done.message_bytes,
        frames=done.frames,
        message_id=done.message_id.hex(),
        data_class=data_class,
        key_id=key[0],
        key_version=key[1],
        seconds=time.perf_counter() - start,
    )
