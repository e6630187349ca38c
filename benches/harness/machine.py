"""The facts about a machine that a ratio may depend on."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from strongroom import crypto
from strongroom.cli.benchmark.facts import model_of
from strongroom.cli.machine import flags_of, huge_page_mode, read

PEERS = ("aws-encryption-sdk", "cryptography", "pycryptodome", "PyNaCl", "rencrypt", "tink")


def packages() -> dict[str, str]:
    """The versions of the peers that are Python packages, as far as they are installed."""
    found = {}
    for name in PEERS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def facts() -> dict[str, Any]:
    """Processor, memory, kernel and versions."""
    cpuinfo = read(Path("/proc/cpuinfo"))
    flags = flags_of(cpuinfo) if "OPENSSL_ia32cap" not in os.environ else set()
    return {
        "processor": model_of(cpuinfo),
        "cores": os.cpu_count(),
        "workers": crypto.Control().workers,
        "memory_gib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30,
        "vaes": "vaes" in flags,
        "avx512": "avx512f" in flags,
        "huge_pages": huge_page_mode(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "strongroom": crypto.build_info()["core"],
        "crypto": crypto.build_info()["crypto_library"],
    }
