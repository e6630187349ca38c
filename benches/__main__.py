"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benches.groups import buffers, files, messages, ranged, sdks, streams, trees
from benches.harness import check, targets
from benches.harness.report import Report
from benches.harness.run import Scope, run
from benches.harness.table import lines

SOURCES = (
    buffers.groups,
    files.groups,
    messages.groups,
    streams.groups,
    ranged.groups,
    trees.groups,
    sdks.groups,
)


def main() -> None:
    """`run` measures everything, `check` what is gated, `table` prints a report again."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=main.__doc__)
    commands = parser.add_subparsers(required=True)
    add_run(commands.add_parser("run", help="measure, print, write JSON"))
    commands.add_parser("check", help="fail if a gated ratio misses").set_defaults(do=check_command)
    table = commands.add_parser("table", help="print a report again, and what it says of the targets")
    table.add_argument("report", type=Path)
    table.set_defaults(do=table_command)
    options = parser.parse_args()
    sys.exit(options.do(options))


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", metavar="PATTERN", help="groups to measure, such as 'buffers/*'")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", action="store_true", help="read ranges of 8 GiB on the disk, not of 2 GiB in memory")
    parser.add_argument("--json", type=Path, help="write every sample there")
    parser.add_argument("--disk", type=Path, default=Path.cwd(), help="a directory on the disk to measure")
    parser.set_defaults(do=run_command)


def run_command(options: argparse.Namespace) -> int:
    scope = Scope(only=tuple(options.only or ("*",)), rounds=options.rounds, large=options.large, disk=options.disk)
    report = run(SOURCES, scope)
    if options.json:
        report.save(options.json)
    return verdicts(report)


def check_command(_options: argparse.Namespace) -> int:
    found = check.check(SOURCES, targets.load())
    print(*check.lines(found), sep="\n")
    return 0 if all(verdict.met for verdict in found) else 1


def table_command(options: argparse.Namespace) -> int:
    report = Report.load(options.report)
    print(*lines(report), sep="\n")
    return verdicts(report)


def verdicts(report: Report) -> int:
    print()
    found = [verdict for verdict in targets.judge(targets.load(), report) if verdict.seen]
    print(*check.lines(found), sep="\n")
    return 0


if __name__ == "__main__":
    main()
