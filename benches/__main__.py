"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
from pathlib import Path

from benches.groups import buffers, files, messages, ranged, sdks, streams
from benches.harness.run import Scope, run

SOURCES = (buffers.groups, files.groups, messages.groups, streams.groups, ranged.groups, sdks.groups)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benches", description=__doc__)
    parser.add_argument("--only", action="append", metavar="PATTERN", help="groups to measure, such as 'buffers/*'")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", action="store_true", help="read ranges of 8 GiB on the disk, not of 2 GiB in memory")
    parser.add_argument("--json", type=Path, help="write every sample there")
    options = parser.parse_args()
    scope = Scope(only=tuple(options.only or ("*",)), rounds=options.rounds, large=options.large)
    report = run(SOURCES, scope)
    if options.json:
        report.save(options.json)


if __name__ == "__main__":
    main()
