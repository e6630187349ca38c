"""The command line of the benchmarks."""

from __future__ import annotations

import argparse
import sys
import tomllib
from pathlib import Path

from benches import counts
from benches.groups import buffers, files, messages, ranged, sdks, streams, trees
from benches.harness import check, targets
from benches.harness.publish import committed, pages, publish
from benches.harness.report import Report
from benches.harness.run import Scope, run
from benches.harness.table import lines

ROOT = Path(__file__).parent.parent
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
    """`run` measures everything, `check` what is gated; `table` prints a report again, `publish` puts it into the docs."""
    parser = argparse.ArgumentParser(prog="python -m benches", description=main.__doc__)
    commands = parser.add_subparsers(required=True)
    add_run(commands.add_parser("run", help="measure, print, write JSON"))
    commands.add_parser("check", help="fail if a gated ratio misses").set_defaults(do=check_command)
    table = commands.add_parser("table", help="print a report again, and what it says of the targets")
    table.add_argument("report", type=Path)
    table.set_defaults(do=table_command)
    publishing = commands.add_parser(
        "publish", help="put figures and pictures of docs/performance/*.json into the docs"
    )
    publishing.set_defaults(do=publish_command)
    options = parser.parse_args()
    sys.exit(options.do(options))


def add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--only", action="append", metavar="PATTERN", help="groups to measure, such as 'buffers/*'")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--large", action="store_true", help="read ranges of 8 GiB on the disk, not of 2 GiB in memory")
    parser.add_argument("--json", type=Path, help="write every sample there, beside the other groups of an earlier run")
    parser.add_argument("--disk", type=Path, default=Path.cwd(), help="a directory on the disk to measure")
    parser.set_defaults(do=run_command)


def run_command(options: argparse.Namespace) -> int:
    scope = Scope(only=tuple(options.only or ("*",)), rounds=options.rounds, large=options.large, disk=options.disk)
    report = run(SOURCES, scope)
    if options.json:
        report.after(options.json).save(options.json)
    return verdicts(report)


def check_command(_options: argparse.Namespace) -> int:
    promised = targets.load()
    found = check.check(SOURCES, promised)
    print(*check.lines(found), sep="\n")
    try:
        misses = counts.check(tomllib.loads(targets.PATH.read_text()))
    except counts.CannotCount as error:
        print(f"MISSED instructions could not be counted: {error}")
        return 1
    print(*(f"MISSED {miss}" for miss in misses), sep="\n")
    print(f"{'met   ' if not misses else 'MISSED'} instructions and allocations of our own code")
    return 0 if not misses and all(verdict.met for verdict in found) else 1


def publish_command(_options: argparse.Namespace) -> int:
    from benches.harness.plot import draw

    reports = committed(ROOT)
    for page in pages(ROOT):
        page.write_text(publish(page.read_text(), reports))
    draw(next(iter(reports.values())), ROOT / "docs/performance")
    return 0


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
