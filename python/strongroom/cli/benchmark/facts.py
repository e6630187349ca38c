"""What this machine is, and what else it did meanwhile."""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from strongroom.cli.machine import Aes, aes_path, flags_of, huge_page_mode, read


@dataclass(frozen=True, slots=True)
class Facts:
    """What bounds may depend on. Sizes are bytes; `processors` counts all, `workers` those that this process may use."""

    version: str
    profile: str
    system: str
    python: str
    processor: str
    processors: int
    workers: int
    threads_per_core: int
    cache: int
    aes: Aes
    huge_pages: str
    memory: int
    memory_available: int
    locked: int
    lock_refused: int
    lock_limit: int | None
    load: float


def gather() -> Facts:
    """Look at this machine."""
    import strongroom
    from strongroom.crypto import Control, DataKey, build_info, memory_status

    _probe = DataKey.generate()  # held while memory is looked at: without a key nothing would be locked
    status, cpuinfo = memory_status(), read(Path("/proc/cpuinfo"))
    soft, _hard = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    meminfo = kibibytes(read(Path("/proc/meminfo")))
    return Facts(
        version=strongroom.__version__,
        profile=build_info()["profile"],
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        processor=model_of(cpuinfo) or platform.machine(),
        processors=os.cpu_count() or 1,
        workers=Control().workers,
        threads_per_core=len(numbers(read(CPU0 / "topology" / "thread_siblings_list"))) or 1,
        cache=largest_cache(),
        aes=aes_path(flags_of(cpuinfo)),
        huge_pages=huge_page_mode(),
        memory=meminfo.get("MemTotal", 0),
        memory_available=min(meminfo.get("MemAvailable", UNLIMITED), room_in_group()),
        locked=status["locked_bytes"],
        lock_refused=status["refused_bytes"],
        lock_limit=None if soft == resource.RLIM_INFINITY else soft,
        load=os.getloadavg()[0],
    )


@dataclass(slots=True)
class Meanwhile:
    """What was taken from this process while it measured, as a share of the time."""

    stolen: float = 0.0
    throttled: float = 0.0


@contextmanager
def watched() -> Iterator[Meanwhile]:
    """Watch the processors; the figures are filled in at the end."""
    meanwhile, all_before, stolen_before, throttled_before = Meanwhile(), *ticks(), throttled_seconds()
    start = os.times().elapsed
    try:
        yield meanwhile
    finally:
        all_after, stolen_after = ticks()
        meanwhile.stolen = (stolen_after - stolen_before) / max(all_after - all_before, 1)
        meanwhile.throttled = (throttled_seconds() - throttled_before) / max(os.times().elapsed - start, 0.01)


def ticks(stat: Path = Path("/proc/stat")) -> tuple[int, int]:
    """Count the ticks of all processors, and those that the host gave to others."""
    counts = [int(count) for count in read(stat).partition("\n")[0].split()[1:9]]
    return (sum(counts), counts[7]) if len(counts) == 8 else (0, 0)


def throttled_seconds(stat: Path = Path("/sys/fs/cgroup/cpu.stat")) -> float:
    """For how long the quota of our control group has held it back."""
    counts = dict(line.split() for line in read(stat).splitlines() if len(line.split()) == 2)
    return int(counts.get("throttled_usec", 0)) / 1e6


def room_in_group(group: Path = Path("/sys/fs/cgroup")) -> int:
    """Find how much memory our control group leaves; where it has no limit, more than there is."""
    limit, used = read(group / "memory.max").strip(), read(group / "memory.current").strip()
    return max(int(limit) - int(used), 0) if limit.isdigit() and used.isdigit() else UNLIMITED


def model_of(cpuinfo: str) -> str:
    """Find the name of the first processor."""
    for line in cpuinfo.splitlines():
        name, _, value = line.partition(":")
        if name.strip() in {"model name", "Model"}:
            return value.strip()
    return ""


def kibibytes(meminfo: str) -> dict[str, int]:
    """Read /proc/meminfo, in bytes."""
    lines = (line.replace(":", "").split() for line in meminfo.splitlines())
    return {line[0]: int(line[1]) * 1024 for line in lines if len(line) == 3 and line[2] == "kB"}


def largest_cache(cache: Path = Path("/sys/devices/system/cpu/cpu0/cache")) -> int:
    """Find the size of the last cache before memory, 0 where the kernel does not say."""
    sizes = [read(path).strip() for path in cache.glob("index*/size")]
    return max((int(size[:-1]) * 1024 for size in sizes if size.endswith("K")), default=0)


def numbers(listed: str) -> list[int]:
    """Read a list of processors such as `0-1,4`."""
    found: list[int] = []
    for part in listed.strip().split(","):
        first, _, last = part.partition("-")
        if first.isdigit():
            found.extend(range(int(first), int(last or first) + 1))
    return found


CPU0 = Path("/sys/devices/system/cpu/cpu0")
UNLIMITED = 1 << 62
