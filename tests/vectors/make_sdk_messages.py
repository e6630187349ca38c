"""Makes `sdk-messages.json`: a message of every suite, framed and not, as the official SDK for Python writes it.

Keys and nonces are new in each run, so there is no reason to run it again.
"""

from __future__ import annotations

import base64
import json
import warnings
from importlib.metadata import version
from pathlib import Path

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import aws_encryption_sdk
    from aws_encryption_sdk import CommitmentPolicy
    from aws_encryption_sdk.identifiers import AlgorithmSuite
    from interop.peer import aes_keyring

NAMESPACE, NAME = "vectors", "a key"
KEY, PLAINTEXT = bytes(range(32)), b"three frames of plaintext, " * 10
CONTEXT = {"purpose": "vectors", "é": "ü"}


def message(suite: AlgorithmSuite, frame_length: int) -> dict[str, str | int]:
    """One message, and what it is."""
    commits = suite.is_committing()
    policy = (
        CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT if commits else CommitmentPolicy.FORBID_ENCRYPT_ALLOW_DECRYPT
    )
    sealed, _ = aws_encryption_sdk.EncryptionSDKClient(commitment_policy=policy).encrypt(
        source=PLAINTEXT,
        keyring=aes_keyring(KEY, NAMESPACE, NAME),
        encryption_context=CONTEXT,
        algorithm=suite,
        frame_length=frame_length,
    )
    return {
        "suite": suite.algorithm_id,
        "frame_length": frame_length,
        "message": base64.b64encode(sealed).decode(),
    }


def main() -> None:
    """Write the file beside this one."""
    document = {
        "made_by": f"aws-encryption-sdk {version('aws-encryption-sdk')} for Python",
        "wrapping_key": base64.b64encode(KEY).decode(),
        "namespace": NAMESPACE,
        "name": NAME,
        "context": CONTEXT,
        "plaintext": PLAINTEXT.decode(),
        "messages": [message(suite, length) for suite in AlgorithmSuite for length in (128, 0)],
    }
    Path(__file__).with_name("sdk-messages.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
