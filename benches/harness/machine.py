"""The facts about a machine that a ratio may depend on."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from strongroom import crypto
from strongroom.cli.benchmark.facts import model_of
from strongroom.cli.machine import flags_of, huge_page_mode, read


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
        "huge_pages": huge_pages(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "strongroom": crypto.build_info()["core"],
        "crypto": crypto.build_info()["crypto_library"],
    }


def huge_pages() -> str:
    """`always`, `madvise`, `never` or `none`; `reported` where the host takes back free ones, so that we do without."""
    mode, order = huge_page_mode(), read(REPORTING).strip()
    reported = order.isdigit() and int(order) < 64
    return "reported" if reported and mode in {"always", "madvise"} else mode


REPORTING = Path("/sys/module/page_reporting/parameters/page_reporting_order")
