"""What the level `hsm` costs: `python -m benches.hsm.level [--mib N] [--messages N] [--json FILE]`.

A file under a class whose KEK is in SoftHSM against one under the same class in software, in turns, in one process; and how often
the token is called for many small messages, with the cache and without it. The file must come to 0.95 of software; with the
cache many messages of one context take 4 calls at most, without it exactly one each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import strongroom
from strongroom.providers.pkcs11 import token_alone

from torture.tokens import Proxy, new_softhsm, proxy_module

if TYPE_CHECKING:
    from collections.abc import Iterator

AIM = 0.95
MOST_CALLS = 4
SMALL = bytes(1024)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches.hsm.level", description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="of the file (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--dir", type=Path, default=Path("/dev/shm"), help="where the file is (default: %(default)s)")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.dir, prefix="bench-hsm-") as folder, at_a_room(Path(folder)) as proxy:
        found = {
            "file": of_a_file(Path(folder), options.mib, options.rounds),
            "cached": of_messages(Path(folder), proxy, options.messages, cache=True),
            "uncached": of_messages(Path(folder), proxy, options.messages, cache=False),
        }
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    cached, uncached = found["cached"], found["uncached"]
    good = found["file"]["encrypt"] >= AIM and found["file"]["decrypt"] >= AIM
    good = good and cached["wraps"] <= MOST_CALLS and cached["unwraps"] <= MOST_CALLS
    sys.exit(not (good and uncached["wraps"] == uncached["unwraps"] == options.messages))


@contextmanager
def at_a_room(folder: Path) -> Iterator[Proxy]:
    """A room with a class in a token, whose module counts its calls."""
    (folder / "hsm").mkdir()
    hsm = new_softhsm(folder / "hsm")
    proxy = Proxy(proxy_module(), folder / "rules", folder / "calls")
    proxy.does()
    os.environ |= {"SOFTHSM2_CONF": str(hsm.settings), "STRONGROOM_STATE": str(folder / "state"), **proxy.variables}
    token = token_alone(hsm.new_token("bench").uri("none", proxy.module))
    strongroom.init(folder / "room", make_key_file=folder / "key", recovery=False)
    with strongroom.open(folder / "room", key_file=folder / "key") as room:
        room.classes.create("soft")
        room.classes.create("hard", level="hsm", token=token)
    yield proxy


def of_a_file(folder: Path, mib: int, rounds: int) -> dict[str, float]:
    """Software's time through that of the token, for each direction: the median of rounds."""
    source = folder / "source"
    with source.open("wb") as file:
        for _ in range(mib):
            file.write(os.urandom(1 << 20))
    ratios: dict[str, list[float]] = {"encrypt": [], "decrypt": []}
    for _ in range(rounds):
        times = {name: timed(folder, source, name) for name in ("soft", "hard")}
        for at, way in enumerate(ratios):
            ratios[way].append(times["soft"][at] / times["hard"][at])
    found = {way: round(statistics.median(of), 3) for way, of in ratios.items()}
    print(f"a file of {mib} MiB, of software: encrypt {found['encrypt']:.2f}, decrypt {found['decrypt']:.2f}")
    return found


def timed(folder: Path, source: Path, name: str) -> tuple[float, float]:
    """Seconds to encrypt and to decrypt it in a room that was just opened, so that each asks for its data key."""
    with strongroom.open(folder / "room", key_file=folder / "key") as room:
        start = time.perf_counter()
        room.encrypt_file(source, folder / "message", data_class=name)
        encrypted = time.perf_counter()
        # the page cache has both
    with strongroom.open(folder / "room", key_file=folder / "key") as room:
        again = time.perf_counter()
        room.decrypt_file(folder / "message", folder / "back")
        end = time.perf_counter()
    (folder / "message").unlink()
    (folder / "back").unlink()
    return encrypted - start, end - again


def of_messages(folder: Path, proxy: Proxy, count: int, *, cache: bool) -> dict[str, float]:
    """Calls of the token, and messages a second."""
    with strongroom.open(folder / "room", key_file=folder / "key", cache=cache) as room:
        before = proxy.calls("C_Encrypt"), proxy.calls("C_Decrypt")
        start = time.perf_counter()
        messages = [room.encrypt(SMALL, data_class="hard", context={"tenant": "acme"}) for _ in range(count)]
        for message in messages:
            room.decrypt(message)
        rate = 2 * count / (time.perf_counter() - start)
    wraps, unwraps = proxy.calls("C_Encrypt") - before[0], proxy.calls("C_Decrypt") - before[1]
    how = "with the cache" if cache else "without"
    print(f"{count:,} messages {how}: {wraps:,} wraps and {unwraps:,} unwraps in the token, {rate:,.0f} a second")
    return {"messages": count, "wraps": wraps, "unwraps": unwraps, "per_second": round(rate)}


if __name__ == "__main__":
    main()
