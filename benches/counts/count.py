"""Runs the scenarios of `benches/rust/src/bin/counts.rs` under callgrind."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from benches.counts import callgrind


@dataclass(frozen=True)
class Count:
    """What a scenario costs once."""

    instructions: float
    allocations: float
    frees: float
    copies: float
    calls: float
    functions: dict[str, float]
    """Instructions of each of our functions."""
    callees: dict[str, float]
    """Calls from them to each function that is not ours."""
    elsewhere: float
    """Instructions of those, which depend on the processor: for the reader, not for the gate."""


class CannotCount(Exception):
    """This machine lacks something, or its counts are others than those written down."""


def measure() -> dict[str, Count]:
    """Counts every scenario."""
    if shutil.which("valgrind") is None:
        raise CannotCount("valgrind is needed: tools/needs.sh bench installs it")
    program = str(build())
    return {name: count(program, name) for name in SCENARIOS}


def build() -> Path:
    """Builds the program that runs the scenarios.

    Together with the extension, so that crates below get the features that they have there, and are not compiled anew.
    """
    packages = ["-p", "strongroom-bindings", "-p", "strongroom-bench"]
    command = ["cargo", "build", "--release", *packages, "--bin", "counts", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    for line in done.stdout.splitlines():
        message = json.loads(line)
        if message.get("executable") and message["target"]["name"] == "counts":
            return Path(message["executable"])
    raise RuntimeError("cargo built no program 'counts'")


def count(program: str, scenario: str) -> Count:
    """The difference of a longer and a shorter run, so that the start is not in it."""
    short, long = (callgrind.run([program, scenario, str(times)]) for times in TIMES)
    more, times = long.less(short), TIMES[1] - TIMES[0]
    functions = {name: n / times for name, n in more.instructions.most_common() if n}
    callees = {name: n / times for name, n in more.calls.most_common() if n}
    if not functions:
        raise RuntimeError(f"{scenario}: no Rust function is seen; has the program lost its symbols?")
    sums = dict.fromkeys(EXACT, 0.0)
    for name, calls in callees.items():
        sums[KINDS.get(name, "calls")] += calls
    return Count(
        instructions=sum(functions.values()),
        **sums,
        functions=functions,
        callees=callees,
        elsewhere=more.elsewhere / times,
    )


ROOT = Path(__file__).parents[2]
# as many digits, so that reading the number costs the same
TIMES = (1, 9)
# the sizes are those of benches/rust/src/bin/counts.rs
SCENARIOS = {
    "frames-seal": "64 frames of 4 KiB",
    "frames-seal-in-place": "64 frames of 4 KiB",
    "frames-open": "64 frames of 4 KiB",
    "frames-open-in-place": "64 frames of 4 KiB",
    "message-seal": "a message of 1 KiB",
    "message-open": "a message of 1 KiB, its materials cached",
    "header-parse": "a header with one EDK and two pairs",
    "cache-hit": "a hit",
}
# what each function that is not ours is counted as; all others are `calls`, most of them of the cipher library
KINDS = {
    **dict.fromkeys(
        ["malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "OPENSSL_malloc"], "allocations"
    ),
    **dict.fromkeys(["free", "OPENSSL_free"], "frees"),
    **dict.fromkeys(["memcpy", "memset", "memcmp"], "copies"),
}
EXACT = ("allocations", "frees", "copies", "calls")
COLUMNS = ("instructions", *EXACT)
