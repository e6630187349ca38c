"""Wraps a second against a bare C loop over the same token: `python -m benches.hsm [--token softhsm] [--json FILE]`.

Three ways to wrap 32 bytes, in turns, in one process, with the same module, login, keys and associated data, a session for each
thread: C_EncryptInit and C_Encrypt in C; the crate `hsm`, whose calls run on threads of their own and have a deadline; and the crate
through its Python binding, from Python threads. The crate must do 0.8 of the C loop. opencryptoki has no AES-GCM: there it is AES-CBC and HMAC.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.crypto import RootKey
from strongroom.providers.pkcs11 import TokenUri, connected, destroy_key
from strongroom.providers.pkcs11.module import module

from torture.tokens import NoToken, Token, new_softhsm, opencryptoki, unique

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom.providers.pkcs11.objects import Handles

ROOT = Path(__file__).parents[2]
AIM = 0.8
AAD = bytes([2]) * 32
PATIENCE = 10.0
WAYS = ("C loop", "crate", "binding")


@dataclass(frozen=True)
class Place:
    """A token that we are logged in to, and a key in it."""

    path: str
    slot: int
    scheme: str
    keys: Handles


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.hsm", description=__doc__)
    parser.add_argument("--token", choices=("softhsm", "opencryptoki"), action="append")
    parser.add_argument("--sessions", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=0.3, help="of one way in one round")
    parser.add_argument("--first", action="store_true", help="before everybody else on this machine, which takes root")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    build()
    if options.first:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    rows = [
        row
        for kind in options.token or ("softhsm", "opencryptoki")
        for row in measured(kind, options.sessions, options.rounds, options.seconds)
    ]
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n")
    sys.exit(any(row["ratio"] < AIM for row in rows if row["way"] == "crate"))


def measured(kind: str, sessions: list[int], rounds: int, seconds: float) -> Iterator[dict[str, Any]]:
    """A row for each way and number of sessions."""
    with tempfile.TemporaryDirectory(prefix="bench-hsm-") as folder, at_a_token(kind, Path(folder)) as place:
        ways = dict(zip(WAYS, (bare(Path(folder)), crate(), binding), strict=True))
        print(f"{kind}, {place.scheme}, {rounds} rounds in turns; wraps/s, of the C loop, CPU a wrap")
        for count in sessions:
            rates: dict[str, list[float]] = {way: [] for way in ways}
            costs: dict[str, list[float]] = {way: [] for way in ways}
            for _ in range(rounds):
                for way, wraps in ways.items():
                    used, start = processor_seconds(), time.perf_counter()
                    rates[way].append(wraps(place, count, seconds))
                    done = rates[way][-1] * (time.perf_counter() - start)
                    costs[way].append((processor_seconds() - used) / done)
            for way in ways:
                yield row(kind, count, way, rates, costs)


def row(
    kind: str, count: int, way: str, rates: dict[str, list[float]], costs: dict[str, list[float]]
) -> dict[str, Any]:
    ratio = statistics.median(ours / theirs for ours, theirs in zip(rates[way], rates[WAYS[0]], strict=True))
    found = {
        "token": kind,
        "sessions": count,
        "way": way,
        "wraps_per_second": round(statistics.median(rates[way])),
        "ratio": round(ratio, 3),
        "processor_us": round(1e6 * statistics.median(costs[way]), 2),
        "samples": [round(rate) for rate in rates[way]],
    }
    print(f"  {count} sessions  {way:8} {found['wraps_per_second']:>8,}/s  {ratio:.2f}  {found['processor_us']:.1f} µs")
    return found


@contextmanager
def at_a_token(kind: str, folder: Path) -> Iterator[Place]:
    """A new key in a token, until the end."""
    token = softhsm(folder) if kind == "softhsm" else opencryptoki(folder)
    wanted = TokenUri.parse(token.uri(unique("bench")))
    with connected(wanted) as connection:
        made = connection.make(wanted)
        try:
            keys = connection.use(made, lambda _session, keys: keys)
            loaded = module(str(made.module_path))
            [slot] = [found.slot.slot_id for found in loaded.tokens() if found.label.strip() == token.label]
            yield Place(loaded.path, slot, connection.scheme(made).name, keys)
        finally:
            destroy_key(made)


def softhsm(folder: Path) -> Token:
    made = new_softhsm(folder)
    os.environ["SOFTHSM2_CONF"] = str(made.settings)
    return made.new_token("bench")


def bare(folder: Path) -> Callable[[Place, int, float], float]:
    library = folder / "loop.so"
    source = Path(__file__).with_name("loop.c")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-pthread", "-o", library, source, "-ldl"], check=True)
    return of_library(library)


def build() -> None:
    command = ["cargo", "build", "--quiet", "--release", "-p", "strongroom-bench", "--lib"]
    subprocess.run(command, cwd=ROOT, check=True)


def crate() -> Callable[[Place, int, float], float]:
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    return of_library(target / "release" / "libstrongroom_bench_hsm.so")


def of_library(library: Path) -> Callable[[Place, int, float], float]:
    """The function `wraps` of a library."""
    number = ctypes.c_ulong
    call = ctypes.CDLL(str(library)).wraps
    call.argtypes = [ctypes.c_char_p, number, number, number, ctypes.c_int, ctypes.c_double]
    call.restype = ctypes.c_double

    def wraps(place: Place, sessions: int, seconds: float) -> float:
        hmac = 0 if place.scheme == "aes-gcm" else place.keys.hmac
        rate: float = call(place.path.encode(), place.slot, place.keys.aes, hmac, sessions, seconds)
        if rate < 0:
            raise RuntimeError(f"{library.name}: the token refuses to wrap")
        return rate

    return wraps


def binding(place: Place, sessions: int, seconds: float) -> float:
    """From as many Python threads."""
    root, door = RootKey.generate(), module(place.path).door
    counts = [0] * sessions
    begin, stop = threading.Barrier(sessions + 1), threading.Event()

    def work(which: int) -> None:
        session = door.open_session(place.slot, deadline=PATIENCE)
        begin.wait()
        while not stop.is_set():
            session.wrap_root(root, place.scheme, place.keys.pair, AAD, deadline=PATIENCE)
            counts[which] += 1
        session.close(deadline=PATIENCE)

    threads = [threading.Thread(target=work, args=(which,)) for which in range(sessions)]
    for thread in threads:
        thread.start()
    start = time.perf_counter()
    begin.wait()
    time.sleep(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    return sum(counts) / (time.perf_counter() - start)


def processor_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    try:
        main()
    except NoToken as why:
        sys.exit(f"benches.hsm: {why}")
