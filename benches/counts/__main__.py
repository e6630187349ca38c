"""Counts, and compares with what is written down.

Exit codes: 0 as written down, 1 something differs, 77 this machine cannot count.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from dataclasses import asdict
from pathlib import Path

from benches.counts.count import CannotCount, measure
from benches.counts.recorded import TARGETS, compare, updated
from benches.counts.report import explanation, table


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benches.counts", description=__doc__)
    parser.add_argument("--json", type=Path, help="write all counts here, down to the functions")
    parser.add_argument("--update", action="store_true", help=f"write the counts down in {TARGETS.name}")
    options = parser.parse_args()
    try:
        counts = measure()
        if options.json:
            options.json.write_text(json.dumps({name: asdict(count) for name, count in counts.items()}, indent=2))
        if options.update:
            TARGETS.write_text(updated(TARGETS.read_text() if TARGETS.exists() else "", counts))
        targets = tomllib.loads(TARGETS.read_text())
        misses = compare(targets, counts)
    except CannotCount as error:
        print(f"counts: {error}", file=sys.stderr)
        return CANNOT
    print(table(counts, misses))
    if misses:
        print(explanation(targets, counts, misses))
    return 1 if misses else 0


CANNOT = 77

if __name__ == "__main__":
    sys.exit(main())
