"""The floors that benchmarks stand on measure something, and refuse what they cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from strongroom import crypto
from strongroom.errors import Misuse

if TYPE_CHECKING:
    from pathlib import Path


def test_ranged_reads(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(1 << 20))
    assert crypto.bench_ranged(path, 1 << 16, 100) > 0
    assert crypto.bench_ranged(path, 1 << 16, 0) >= 0
    for frame_bytes in (0, (1 << 20) + 1):
        with pytest.raises(Misuse):
            crypto.bench_ranged(path, frame_bytes, 1)
    with pytest.raises(FileNotFoundError):
        crypto.bench_ranged(tmp_path / "none", 1, 1)
