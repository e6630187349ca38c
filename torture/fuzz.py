"""libFuzzer on every parser and on whole messages: no crash, no hang, no memory that a stranger's length asks for.

The claims are in `fuzz/claims`; `make test` runs the same functions on the committed seeds. Needs a nightly compiler and
cargo-fuzz, which `make fuzz` sees to.
"""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

from torture.report import Report

PROMISE = "any bytes are read as they were sealed, or refused with a typed error, within time and memory"
ROOT = Path(__file__).parent.parent


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: the defaults take some half a minute once the targets are built."""
    parser.add_argument(
        "--parsers", type=int, default=2_000_000, metavar="N", help="runs of each (default: %(default)s)"
    )
    parser.add_argument("--messages", type=int, default=100_000, metavar="N", help="runs (default: %(default)s)")
    parser.add_argument("--streams", type=int, default=20_000, metavar="N", help="runs (default: %(default)s)")
    parser.add_argument("--sanitizer", choices=("none", "address"), default="none", help="default: %(default)s")
    parser.add_argument("--targets", nargs="+", choices=sorted(SCALES), default=sorted(SCALES), help="default: all")
    parser.add_argument(
        "--seconds", type=int, default=0, metavar="S", help="at most, for each target (default: no limit)"
    )


def run(options: argparse.Namespace) -> Report:
    """Run each target as often as asked for, on what earlier runs have found and on the committed seeds."""
    report = Report("fuzz", PROMISE, notes=[f"sanitizer: {options.sanitizer}"])
    programs = build(options.sanitizer)
    for target in options.targets:
        limits = [f"-runs={vars(options)[SCALES[target]]}", f"-max_total_time={options.seconds}"]
        executed, ended, output = fuzz(programs / target, limits)
        report.count(f"{target} runs", executed)
        if not ended:
            report.found.append(f"{target}: {said(output)}")
    _, ended, _ = fuzz(programs / "control", ["-runs=1000000"])
    report.controls["a parser that believes a length"] = not ended
    return report


def build(sanitizer: str) -> Path:
    """Compile all targets, and say where they are."""
    folder = ROOT / "target" / "fuzz" / sanitizer
    command = ["cargo", "+nightly", "fuzz", "build", "--fuzz-dir", "fuzz", "-s", sanitizer, "--target-dir", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True)
    (triple,) = (path.parent for path in folder.glob("*/release"))
    return triple / "release"


def fuzz(program: Path, limits: list[str]) -> tuple[int, bool, str]:
    """One run of a target: how often it was executed, whether it came to its end, and what it said."""
    corpus = ROOT / "fuzz" / "corpus" / program.name
    seeds = ROOT / "fuzz" / "seeds" / program.name
    artifacts = ROOT / "fuzz" / "artifacts" / program.name
    for folder in (corpus, artifacts):
        folder.mkdir(parents=True, exist_ok=True)
    command = [str(program), str(corpus), *([str(seeds)] if seeds.is_dir() else []), *LIMITS, *limits]
    command.append(f"-artifact_prefix={artifacts}/")
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    return executed(done.stderr), done.returncode == 0, done.stderr


def executed(output: str) -> int:
    """How often libFuzzer says that it has run the target."""
    found = re.search(r"^stat::number_of_executed_units:\s*(\d+)", output, re.MULTILINE)
    return int(found[1]) if found else 0


def said(output: str) -> str:
    """What went wrong, and with which input, in one line."""
    lines = re.findall(
        r"^(?:SUMMARY|thread .* panicked|.* were allocated where|.*Test unit written).*$", output, re.MULTILINE
    )
    return "; ".join(lines) or output[-500:]


SCALES = {
    "frames": "parsers",
    "header": "parsers",
    "manifest": "parsers",
    "message": "messages",
    "room": "parsers",
    "stream": "streams",
}
# seconds for one input, and megabytes for the process; the targets themselves count what each input allocates. Threads
# that have just been joined still hold their thread-local values, so leaks are not looked for
LIMITS = ("-timeout=5", "-rss_limit_mb=1024", "-detect_leaks=0", "-print_final_stats=1")
