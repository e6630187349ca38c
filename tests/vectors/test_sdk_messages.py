"""A message of every suite, framed and not, as the official SDK wrote it: `rust/core/src/message/tests/official.rs` reads the same file."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from strongroom import crypto
from strongroom.keyring import RawAesKeyring
from vectors.esdk import read_every_way

FIELDS = {"made_by", "wrapping_key", "namespace", "name", "context", "plaintext", "messages"}


def test_every_suite_is_read_every_way(tmp_path: Path) -> None:
    document = json.loads(Path(__file__).with_name("sdk-messages.json").read_text())
    assert set(document) == FIELDS
    keyring = RawAesKeyring(document["namespace"], document["name"], base64.b64decode(document["wrapping_key"]))
    seen = set()
    for case in document["messages"]:
        assert set(case) == {"suite", "frame_length", "message"}
        message = base64.b64decode(case["message"])
        header = crypto.Header.parse(message)
        assert header.suite == case["suite"]
        ways = read_every_way(message, keyring, tmp_path, document["context"])
        assert all(way == document["plaintext"].encode() for way in ways), case["suite"]
        seen.add((case["suite"], case["frame_length"]))
    assert len(seen) == 22
