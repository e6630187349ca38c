"""What is counted and found for the changes of cargo-mutants; `-m slow` tries a few of them."""

import shutil
from argparse import ArgumentParser

import pytest

from tools.scratch import ROOT
from torture import mutants
from torture.mutants.equivalent import Equivalent, all_equivalent
from torture.mutants.runs import PARTS, Bench, Fate, Mutant
from torture.report import Report

MUTANT = Mutant(
    name="rust/secmem/src/lib.rs:7:5: replace < with <= in f",
    file="rust/secmem/src/lib.rs",
    line="a < b",
    change="replace < with <= in f",
)
ENTRY = Equivalent(file=MUTANT.file, line=MUTANT.line, changes=("replace < with <=",), reason="they are never equal")


def judged(monkeypatch, fate: Fate, *entries: Equivalent) -> Report:
    monkeypatch.setattr(mutants, "all_equivalent", lambda: entries)
    report = Report("mutants", "")
    mutants.judge(PARTS["secmem"], {MUTANT: fate}, report, whole=True)
    return report


@pytest.mark.parametrize("entry", all_equivalent(), ids=str)
def test_every_entry_has_its_line_and_a_reason(entry) -> None:
    lines = [line.strip() for line in (ROOT / entry.file).read_text().splitlines()]
    assert entry.line in lines
    assert entry.changes
    assert entry.reason.strip()
    assert any(part.holds(entry.file) for part in PARTS.values())


def test_a_survivor_is_found_with_its_place(monkeypatch) -> None:
    (found,) = judged(monkeypatch, Fate.MISSED).found
    assert MUTANT.name in found


def test_a_survivor_that_is_explained_is_not(monkeypatch) -> None:
    report = judged(monkeypatch, Fate.MISSED, ENTRY)
    assert (report.found, report.tried) == ([], {"that no test can notice": 1})


def test_an_explanation_that_explains_nothing_is_found(monkeypatch) -> None:
    (found,) = judged(monkeypatch, Fate.CAUGHT, ENTRY).found
    assert "does not survive" in found


def test_a_change_that_hangs_or_does_not_compile_is_counted_apart(monkeypatch) -> None:
    kinds = [list(judged(monkeypatch, fate).tried) for fate in Fate]
    assert len({kind for (kind,) in kinds}) == len(Fate)


def test_what_was_noticed_is_not_tried_again(monkeypatch, tmp_path) -> None:
    bench = Bench(tmp_path, [])
    tried = []

    def try_(part, names):
        tried.extend(names)
        return dict.fromkeys(names, Fate.MISSED if len(tried) == 1 else Fate.CAUGHT)

    monkeypatch.setattr(bench, "_try", try_)
    bench.fates(PARTS["secmem"], [MUTANT], settled=lambda _: False)
    bench.fates(PARTS["secmem"], [MUTANT], settled=lambda _: True)
    assert tried == [MUTANT.name], "it survived, and nobody asks why"
    for _ in range(2):
        bench.fates(PARTS["secmem"], [MUTANT], settled=lambda _: False)
    assert tried == [MUTANT.name] * 2, "what survived is tried again, what was noticed is not"


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(
    not shutil.which("cargo-mutants"), reason="cargo-mutants is not installed: `make mutants` sees to it"
)
def test_a_few_are_noticed() -> None:
    parser = ArgumentParser()
    mutants.arguments(parser)
    report = mutants.run(parser.parse_args([]))
    assert report.held, report.lines()
