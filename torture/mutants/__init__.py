"""Changes secmem, messages and cache in one place after the other: for each change a test must turn red.

Needs cargo-mutants, which `make mutants` sees to. Changes that no test can notice stand in `equivalent.toml`, each with its
reason; a change that survives and stands nowhere is found, and so is an entry that does not survive.
"""

from __future__ import annotations

import shlex
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tools.scratch import Edit, planted
from torture.mutants.equivalent import all_equivalent
from torture.mutants.runs import PARTS, SECMEM, Bench, Fate
from torture.report import Report

if TYPE_CHECKING:
    from argparse import ArgumentParser, Namespace
    from collections.abc import Mapping

    from torture.mutants.runs import Mutant, Part

__all__ = ["arguments", "run"]

PROMISE = "no line of secmem, messages and cache could be another without a test that notices"


def arguments(parser: ArgumentParser) -> None:
    """The options of the program."""
    parser.add_argument("--all", action="store_true", help="every change, not only a few: some hours of a core")
    parser.add_argument("--parts", nargs="+", choices=sorted(PARTS), default=sorted(PARTS), help="default: all")
    parser.add_argument(
        "--scratch", type=Path, help="a folder for the copy, its build output and what is known already"
    )
    parser.add_argument("--under", default="", metavar="COMMAND", help="runs each piece, as in 'nice -n 19'")


def run(options: Namespace) -> Report:
    """Try the changes of each part."""
    report = Report("mutants", PROMISE)
    with ExitStack() as closing:
        folder = options.scratch or Path(closing.enter_context(TemporaryDirectory(prefix="strongroom-mutants-")))
        bench = Bench(folder, shlex.split(options.under))
        control(bench, report)
        for name in options.parts if options.all else ["secmem"]:
            part = PARTS[name]
            report.controls[f"the tests of {part.name} pass without a change"] = bench.passes(part)
            mutants = bench.mutants(part)
            fates = bench.fates(part, mutants if options.all else mutants[:FEW], settled=is_explained)
            report.controls[f"changes of {part.name} compile"] = set(fates.values()) != {Fate.UNVIABLE}
            judge(part, fates, report, whole=options.all)
    return report


def is_explained(mutant: Mutant) -> bool:
    """Whether a change is known to be one that no test can notice."""
    return any(entry.explains(mutant) for entry in all_equivalent())


def judge(part: Part, fates: Mapping[Mutant, Fate], report: Report, *, whole: bool) -> None:
    """Count, and name the survivors that nobody has explained."""
    entries = [entry for entry in all_equivalent() if part.holds(entry.file)]
    used = set()
    for mutant, fate in fates.items():
        explained = next((entry for entry in entries if fate is Fate.MISSED and entry.explains(mutant)), None)
        report.count(EXPLAINED if explained else KINDS[fate])
        if explained:
            used.add(explained)
        elif fate is Fate.MISSED:
            report.found.append(f"{mutant.name}, in {mutant.line!r}: no test notices")
    if whole:
        report.found += [
            f"{entry}: is in equivalent.toml, and does not survive" for entry in entries if entry not in used
        ]


def control(bench: Bench, report: Report) -> None:
    """A function that nothing tests: each change of it must survive."""
    with planted(bench.tree, "untested", [Edit.insertion(UNTESTED_FILE, UNTESTED, before=UNTESTED_BEFORE)]):
        mutants = [mutant for mutant in bench.mutants(SECMEM) if "untested" in mutant.change]
        fates = bench.fates(SECMEM, mutants, settled=lambda _: True)
    survived = all(fate is Fate.MISSED for fate in fates.values())
    report.controls["a function that nothing tests"] = len(fates) >= 3 and survived


EXPLAINED = "that no test can notice"
KINDS = {
    Fate.CAUGHT: "noticed",
    Fate.MISSED: "not noticed",
    Fate.TIMEOUT: "noticed by a test that does not end",
    Fate.UNVIABLE: "that do not compile",
}
UNTESTED_FILE = "rust/secmem/src/lib.rs"
UNTESTED = "/// Nothing tests this.\n#[must_use]\npub fn untested(a: u8) -> bool {\n    a == 7\n}\n\n"
UNTESTED_BEFORE = "/// Whether `a` equals `b`, in a time"
FEW = 4
