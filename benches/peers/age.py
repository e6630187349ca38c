"""age: what people pipe a file through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benches.peers.command import Command, found, output

if TYPE_CHECKING:
    from pathlib import Path


def peer(folder: Path) -> Command:
    """To one X25519 recipient."""
    age, keygen = found("age", "age"), found("age-keygen", "age")
    identity = folder / "age-identity"
    if not identity.exists():
        output(keygen, "-o", str(identity))
    recipient = output(keygen, "-y", str(identity)).strip()
    return Command(
        "age",
        seal=(age, "--encrypt", "--recipient", recipient),
        open=(age, "--decrypt", "--identity", str(identity)),
        share=1 / 4,
        version=output(age, "--version").strip(),
    )
