"""Tink's streaming AEAD."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from benches.harness.row import Unavailable
from benches.peers.file import FilePeer

if TYPE_CHECKING:
    from pathlib import Path


def peer(_folder: Path) -> FilePeer:
    """Its template of 1 MiB segments, written and read in pieces of the size that is fastest."""
    try:
        import tink
        from tink import streaming_aead
    except ImportError:
        raise Unavailable("pip install tink") from None
    streaming_aead.register()
    template = streaming_aead.streaming_aead_key_templates.AES256_GCM_HKDF_1MB
    primitive = tink.new_keyset_handle(template).primitive(streaming_aead.StreamingAead)

    def seal(source: Path, target: Path) -> None:
        with source.open("rb") as reader, primitive.new_encrypting_stream(target.open("xb"), b"") as stream:
            shutil.copyfileobj(reader, stream, PIECE)

    def unseal(source: Path, target: Path) -> None:
        with target.open("xb") as writer, primitive.new_decrypting_stream(source.open("rb"), b"") as stream:
            shutil.copyfileobj(stream, writer, PIECE)

    return FilePeer("tink streaming, 1 MiB segments", seal, unseal, share=1 / 4)


PIECE = 256 << 10
