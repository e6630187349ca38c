"""The command line: `python -m torture PROGRAM`."""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from pathlib import Path

from torture.everything import everything
from torture.publish import committed, publish

ROOT = Path(__file__).parent.parent
PROGRAMS: tuple[str, ...] = (
    "bugs", "completeness", "concurrency", "crash", "differential", "drills", "fuzz", "hsm", "keystore", "mutants",
    "power", "rewrites", "room_files", "secrets", "syscalls", "tamper",
)  # fmt: skip


def main() -> None:
    """Try to break a promise of the library, and say what was tried, what was found, and whether the control was."""
    parser = argparse.ArgumentParser(prog="python -m torture", description=main.__doc__)
    parser.add_argument("--json", type=Path, metavar="FOLDER", help="also write the outcome there as PROGRAM.json")
    commands = parser.add_subparsers(required=True, metavar="PROGRAM")
    for name in PROGRAMS:
        module = importlib.import_module(f"torture.{name}")
        said = (module.__doc__ or name).splitlines()
        command = commands.add_parser(name, help=said[0], description="\n".join(said))
        module.arguments(command)
        command.set_defaults(run=module.run)
    every = commands.add_parser("all", help="all of them")
    every.add_argument("--full", action="store_true", help="at the scale of docs/assurance.md, which takes hours")
    commands.add_parser("publish", help="put the outcomes of docs/assurance/*.json into docs/assurance.md")
    options = parser.parse_args()
    if "full" in options:
        sys.exit(everything(PROGRAMS, options.json, full=options.full))
    if "run" not in options:
        publish_page()
        return
    started = time.monotonic()
    report = options.run(options)
    report.seconds = time.monotonic() - started
    print(*report.lines(), sep="\n")
    if options.json:
        report.save(options.json)
    sys.exit(not report.held)


def publish_page() -> None:
    """Make the table of docs/assurance.md anew."""
    page = ROOT / "docs/assurance.md"
    page.write_text(publish(page.read_text(), committed(ROOT)))


if __name__ == "__main__":
    main()
