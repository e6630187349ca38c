"""Wraps and unwraps by many threads, many processes, and for long."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.providers.pkcs11 import TokenUri, connected, patience
from strongroom.providers.pkcs11.module import module

from torture.hsm.trial import Trial, new_key

if TYPE_CHECKING:
    from strongroom.providers.pkcs11.connection import Connection


def share_by_threads(trial: Trial) -> None:
    """32 threads on one connection: every key comes back as it was."""
    for kind, token in trial.tokens():
        with new_key(token) as uri, connected(uri) as connection:
            wrong = by_threads(partial(trip, connection, uri), trial.options.trips)
        trial.report.count(f"{kind}: round trips by {THREADS} threads", THREADS * trial.options.trips)
        trial.report.found.extend(f"{kind}, threads: {line}" for line in wrong)
    trial.report.controls["a key that comes back as another"] = bool(by_threads(lambda: False, 1))


def share_by_processes(trial: Trial) -> None:
    """Forked and spawned processes at once, each logged in for itself; the parent is logged in as well."""
    count = trial.options.processes
    for kind, token in trial.tokens():
        with new_key(token) as uri, connected(uri) as connection:
            trip(connection, uri)
            for method in ("fork", "spawn"):
                wrong = by_processes(method, str(uri), count, trial.options.trips)
                trial.report.count(f"{kind}: round trips by {count} processes, {method}", count * trial.options.trips)
                trial.report.found.extend(f"{kind}, {method}: {line}" for line in wrong)
            if not trip(connection, uri):
                trial.report.found.append(f"{kind}: the parent's key comes back as another")
        gone = by_processes("spawn", str(uri), 1, 1)
    trial.report.controls["a key that is gone, in a process"] = len(gone) == 1


def run_long(trial: Trial) -> None:
    """Many calls in one process: neither memory nor sessions grow."""
    with new_key(trial.new_token()) as uri, connected(uri) as connection:
        by_threads(lambda: trip(connection, uri), WARM)
        before = Size.now(uri)
        wrong = by_threads(lambda: trip(connection, uri), trial.options.calls // 2 // THREADS)
        after = Size.now(uri)
        trial.report.count("calls of the long run", trial.options.calls // 2 // THREADS * THREADS * 2)
        trial.report.notes.append(f"the long run began with {before} and ended with {after}")
        trial.report.found.extend([*wrong, *grown(before, after)])
        kept = [module(str(uri.module_path)).door.open_session(slot_of(uri), deadline=patience.CALL) for _ in range(2)]
        trial.report.controls["sessions that are kept"] = any(grown(after, Size.now(uri)))
        kept.clear()
    leak = bytearray(os.urandom(2 * MOST_GROWTH))
    trial.report.controls["memory that is kept"] = any(grown(after, Size(resident(), after.sessions, after.threads)))
    leak.clear()


class Size:
    """How large this process is, and how many sessions and threads it has with a token."""

    def __init__(self, resident: int, sessions: int, threads: int) -> None:
        self.resident, self.sessions, self.threads = resident, sessions, threads

    @classmethod
    def now(cls, uri: TokenUri) -> Size:
        """As it is."""
        names = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
        return cls(resident(), sessions_of(uri), names.count("strongroom-hsm"))

    def __str__(self) -> str:
        return f"{self.resident >> 10:,} KiB, {self.sessions} sessions, {self.threads} threads for them"


def grown(before: Size, after: Size) -> list[str]:
    """What grew meanwhile."""
    found = []
    if after.resident - before.resident > MOST_GROWTH:
        found.append(f"memory grew by {after.resident - before.resident >> 10:,} KiB")
    # threads are started when they are wanted, and no more than there are sessions to use them
    if after.sessions > before.sessions or after.threads > before.threads + after.sessions:
        found.append(f"sessions grew: {before}, then {after}")
    return found


def trip(connection: Connection, uri: TokenUri) -> bool:
    """Whether a random key comes back from a wrap and an unwrap."""
    scheme = connection.scheme(uri)
    return connection.use(
        uri,
        lambda session, keys: session.round_trip(
            scheme.name, keys.pair, deadline=patience.CALL, token_nonce=scheme.token_nonce
        ),
    )


def by_threads(work: Callable[[], bool], times: int) -> list[str]:
    """What went wrong when 32 threads did it so often each."""
    wrong: list[str] = []

    def loop() -> None:
        try:
            wrong.extend("another key came back" for _ in range(times) if not work())
        except Exception as error:  # noqa: BLE001 - whatever it is, it was found
            wrong.append(f"{type(error).__name__}: {error}")

    threads = [threading.Thread(target=loop) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


def by_processes(method: str, uri: str, count: int, times: int) -> list[str]:
    """What went wrong in so many processes at once."""
    with ProcessPoolExecutor(count, mp_context=get_context(method)) as pool:
        return [line for lines in pool.map(trips_of_a_process, [uri] * count, [times] * count) for line in lines]


def trips_of_a_process(uri: str, times: int) -> list[str]:
    """What goes wrong in this one."""
    named = TokenUri.parse(uri)
    try:
        with connected(named) as connection:
            return ["another key came back" for _ in range(times) if not trip(connection, named)]
    except Exception as error:  # noqa: BLE001 - whatever it is, it was found
        return [f"{type(error).__name__}: {error}"]


def resident() -> int:
    """Bytes of this process in memory."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def sessions_of(uri: TokenUri) -> int:
    """The sessions of this process that the module knows: SoftHSM counts handles up from 1, and does not say how many are open."""
    known = ctypes.CDLL(module(str(uri.module_path)).path)
    info = ctypes.create_string_buffer(64)
    return sum(known.C_GetSessionInfo(ctypes.c_ulong(handle), info) == 0 for handle in range(1, MOST_HANDLES))


def slot_of(uri: TokenUri) -> int:
    """The slot of a token."""
    loaded = module(str(uri.module_path))
    slots: list[int] = [token.slot.slot_id for token in loaded.tokens() if token.label.strip() == uri.token]
    return slots[0]


THREADS = 32
WARM = 20
MOST_GROWTH = 8 << 20
MOST_HANDLES = 10_000
