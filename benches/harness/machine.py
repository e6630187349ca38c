"""The facts about a machine that a ratio may depend on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from strongroom import crypto


def facts() -> dict[str, Any]:
    """Processor, memory, kernel and versions."""
    return {
        "processor": processor(),
        "cores": os.cpu_count(),
        "workers": crypto.Control().workers,
        "memory_gib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 30,
        "vaes": "vaes" in flags() and "OPENSSL_ia32cap" not in os.environ,
        "avx512": "avx512f" in flags() and "OPENSSL_ia32cap" not in os.environ,
        "huge_pages": huge_pages(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "strongroom": crypto.build_info()["core"],
        "crypto": crypto.build_info()["crypto_library"],
    }


def processor() -> str:
    """Its name as the kernel gives it."""
    return next((line.split(":", 1)[1].strip() for line in cpuinfo() if line.startswith("model name")), "unknown")


def flags() -> set[str]:
    """What its first core can do."""
    return set(next((line.split(":", 1)[1] for line in cpuinfo() if line.startswith("flags")), "").split())


def cpuinfo() -> list[str]:
    """Empty where there is none."""
    path = Path("/proc/cpuinfo")
    return path.read_text().splitlines() if path.exists() else []


def huge_pages() -> str:
    """`always`, `madvise` or `never`; `reported` where the host takes back free ones, so that we do without."""
    path = Path("/sys/kernel/mm/transparent_hugepage/enabled")
    if not path.exists():
        return "absent"
    mode = path.read_text().split("[")[1].split("]")[0]
    order = Path("/sys/module/page_reporting/parameters/page_reporting_order")
    reported = order.exists() and order.read_text().strip().isdigit() and int(order.read_text()) < 64
    return "reported" if reported and mode != "never" else mode
