"""GnuPG with a passphrase."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from benches.peers.command import Command, found, output

if TYPE_CHECKING:
    from pathlib import Path


def peer(folder: Path) -> Command:
    """AES-256, neither compressed nor stretched for long."""
    gpg = found("gpg", "gpg")
    home, passphrase = folder / "gpg", folder / "gpg-passphrase"
    home.mkdir(mode=0o700, exist_ok=True)
    passphrase.write_text(secrets.token_hex())
    base: tuple[str, ...] = (gpg, "--homedir", str(home), "--batch", "--quiet", "--no-tty", "--no-symkey-cache")
    base += ("--pinentry-mode", "loopback", "--passphrase-file", str(passphrase))
    symmetric = ("--symmetric", "--cipher-algo", "AES256", "--compress-algo", "none", "--s2k-count", "1024")
    return Command(
        "gpg --symmetric",
        seal=(*base, *symmetric),
        open=(*base, "--decrypt"),
        share=1 / 8,
        version=output(gpg, "--version").split("\n", 1)[0].split()[-1],
    )
