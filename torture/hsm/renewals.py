"""A module's state that is ended again and again while threads work with several of its tokens: no crash, and no other key."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from strongroom.errors import ProviderUnavailable
from strongroom.providers.pkcs11 import TokenUri, connected
from strongroom.providers.pkcs11.module import Module, module

from torture.hsm.trial import Trial, new_key
from torture.hsm.trips import trip

if TYPE_CHECKING:
    from strongroom.providers.pkcs11.connection import Connection

ROOT = Path(__file__).parents[2]


def begin_anew(trial: Trial) -> None:
    """In a process of its own, since what is looked for kills it."""
    with ExitStack() as keys:
        uris = [str(keys.enter_context(new_key(trial.new_token()))) for _ in range(TOKENS)]
        command = [sys.executable, "-m", __name__, str(trial.options.seconds), *uris]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    for line in done.stdout.splitlines():
        what, _, count = line.rpartition(" ")
        trial.report.count(what, int(count))
    if done.returncode != 0:
        trial.report.found.append(f"renewals: a process ended with {done.returncode}: {done.stderr[-2000:]}")


class Crowd:
    """Threads that work with keys in several tokens of one module, and one that ends its state."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self.counts: Counter[str] = Counter()
        self.failed: list[BaseException] = []

    def work(self, at: dict[TokenUri, Connection]) -> None:
        """Until time is up."""
        door = module(str(next(iter(at)).module_path))
        jobs = [partial(renewed, door)]
        for uri, connection in at.items():
            jobs += 2 * [partial(round_trip, connection, uri)] + [partial(searched, connection)]
        threads = [threading.Thread(target=self._repeat, args=(job,)) for job in jobs]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _repeat(self, job: Callable[[], str]) -> None:
        while time.monotonic() < self._end:
            try:
                self.counts[job()] += 1
            except ProviderUnavailable:
                self.counts["calls that were told of a state that was ended"] += 1
            except BaseException as error:  # noqa: BLE001 - raised again by the main thread
                self.failed.append(error)
                return


def renewed(door: Module) -> str:
    """End the state."""
    door.renew(door.generation)
    time.sleep(PAUSE)
    return "ends of a module's state"


def round_trip(connection: Connection, uri: TokenUri) -> str:
    """Wrap and unwrap."""
    if not trip(connection, uri):
        raise AssertionError("another key came back")
    return "round trips between ends of a module's state"


def searched(connection: Connection) -> str:
    """Look for keys through python-pkcs11."""
    connection.labels("")
    return "searches between ends of a module's state"


def main(seconds: float, uris: list[TokenUri]) -> None:
    """Print how often what was done."""
    crowd = Crowd(seconds)
    with ExitStack() as connections:
        crowd.work({uri: connections.enter_context(connected(uri)) for uri in uris})
    if crowd.failed:
        raise crowd.failed[0]
    for what, count in sorted(crowd.counts.items()):
        print(what, count)


TOKENS = 3
PAUSE = 0.01

if __name__ == "__main__":
    main(float(sys.argv[1]), [TokenUri.parse(uri) for uri in sys.argv[2:]])
