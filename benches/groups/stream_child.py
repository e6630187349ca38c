"""A process that encrypts or decrypts descriptor 0 into descriptor 1, and says on 2 when it is about to start."""

from __future__ import annotations

import sys

from strongroom import crypto
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials


def main() -> None:
    keyring = RawAesKeyring("bench", "key", bytes(32))
    materials = encryption_materials(keyring)
    print("ready", file=sys.stderr, flush=True)
    if sys.argv[1] == "encrypt":
        crypto.encrypt_stream(materials, 0, 1)
        return
    incoming = crypto.IncomingMessage.open(0)
    policy = "require-encrypt-require-decrypt"
    incoming.decrypt(decryption_materials(incoming.header, keyring, context=None, commitment_policy=policy), 1)


if __name__ == "__main__":
    main()
