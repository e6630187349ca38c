"""Every bug to plant still has its place, and three of them are planted here; `-m slow` plants all of them."""

from argparse import ArgumentParser
from collections import Counter

import pytest

from tools.scratch import ROOT, edited
from torture import bugs
from torture.bugs.seed import all_seeds, read

IN_SMALL = ["ambiguous-concatenation", "compared-byte-by-byte", "renamed-before-it-is-durable"]


def run(*arguments: str) -> bugs.Report:
    parser = ArgumentParser()
    bugs.arguments(parser)
    return bugs.run(parser.parse_args(arguments))


@pytest.mark.parametrize("seed", all_seeds(), ids=lambda seed: seed.name)
def test_every_bug_has_its_place(seed) -> None:
    texts = edited(ROOT, seed.name, seed.edits)
    assert all(text != path.read_text() for path, text in texts.items())
    assert seed.title
    assert seed.precedent
    assert seed.story.strip()
    assert all(link.startswith("https://") for link in seed.links)
    assert seed.links


def test_there_are_twenty_bugs_of_many_projects() -> None:
    assert len(all_seeds()) >= 20
    assert len(Counter(seed.precedent.split(",")[0] for seed in all_seeds())) >= 15


def test_a_file_with_a_field_too_many_is_named(tmp_path) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text('edits = []\nlinks = []\nmore = 1\n[tests]\npytest = ["tests"]\n')
    with pytest.raises(ValueError, match=r"wrong\.toml"):
        read(path)


def test_a_few_are_caught() -> None:
    report = run("--only", *IN_SMALL)
    assert report.held, report.lines()
    assert report.tried == {"bugs": len(IN_SMALL)}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_all_are_caught() -> None:
    report = run("--all")
    assert report.held, report.lines()
