"""For every test: signals work, even where the run was started in the background with Ctrl-C ignored.

A test that is marked `argon2id` has to run into the refusal, where the build leaves that out.
"""

from __future__ import annotations

import signal

import pytest
from builds import HAS_ARGON2ID
from strongroom.errors import UnsupportedFormat

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if HAS_ARGON2ID:
        return
    refused = pytest.mark.xfail(raises=UnsupportedFormat, strict=True, reason="this build has no Argon2id, and says so")
    for item in items:
        if item.get_closest_marker("argon2id"):
            item.add_marker(refused)
