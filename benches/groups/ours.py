"""Strongroom as one more way to do what the peers do with files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from strongroom import crypto
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials

from benches.peers.file import FilePeer

KEYRING = RawAesKeyring("bench", "key", bytes(32))
POLICY = "require-encrypt-require-decrypt"


def library() -> FilePeer:
    """Under a raw keyring."""

    def seal(source: Path, target: Path) -> None:
        crypto.encrypt_file(encryption_materials(KEYRING), source, target)

    def unseal(source: Path, target: Path) -> None:
        message = crypto.MessageFile.open(source)
        message.decrypt(opening(message.header), target)

    return FilePeer("strongroom", seal, unseal)


def command(folder: Path) -> FilePeer:
    """The whole process, which opens a room and records what it does."""
    program = str(Path(sys.executable).with_name("strongroom"))
    home, key = str(folder / "room"), str(folder / "room-key")
    subprocess.run(
        (program, "init", "--home", home, "--make-key-file", key, "--no-recovery"), check=True, capture_output=True
    )
    options = ("--quiet", "--home", home, "--key-file", key)

    def run(verb: str, source: Path, target: Path) -> None:
        subprocess.run((program, verb, *options, str(source), str(target)), check=True)

    return FilePeer(
        "strongroom, the command",
        lambda source, target: run("encrypt", source, target),
        lambda source, target: run("decrypt", source, target),
    )


def opening(header: crypto.Header) -> crypto.DecryptionMaterials:
    """What reads our messages."""
    return decryption_materials(header, KEYRING, context=None, commitment_policy=POLICY)
