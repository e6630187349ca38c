"""openssl enc, which offers no authenticated cipher: what it opens may have been changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.peers.command import Command, found, output

if TYPE_CHECKING:
    from pathlib import Path


def peer(_folder: Path) -> Command:
    """AES-256-CTR under a key that is given, with a buffer that is large enough to matter no more."""
    openssl = found("openssl", "openssl")
    cipher = (openssl, "enc", "-aes-256-ctr", "-K", "00" * 32, "-iv", "00" * 16, "-bufsize", BUFFER)
    return Command(
        "openssl enc aes-256-ctr (not authenticated)",
        seal=cipher,
        open=(*cipher, "-d"),
        share=1 / 2,
        version=output(openssl, "version").split()[1],
    )


BUFFER = str(256 << 10)
