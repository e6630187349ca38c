from pathlib import Path

import pytest
from docs.links import dead_links
from docs.runner import blocks, matches, run_page, steps

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_code_of_every_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_page(page, tmp_path, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


@pytest.mark.parametrize(
    "code", ["```python\n1 / 0\n```\n", "```console\n$ echo a\nb\n```\n", "```console\n$ false\n```\n"]
)
def test_a_planted_failure_is_found(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(code)
    with pytest.raises((ZeroDivisionError, AssertionError)):
        run_page(page, tmp_path, monkeypatch)


def test_a_page_remembers_what_it_exports(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```console\n$ export STRONGROOM_X=1\n$ echo $STRONGROOM_X\n1\n```\n```python\nimport os; os.environ['STRONGROOM_X']\n```\n"
    )
    run_page(page, tmp_path, monkeypatch)


def test_a_block_may_become_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python file=a.py\nprint(1)\n```\n```console\n$ python a.py\n1\n```\n")
    run_page(page, tmp_path, monkeypatch)


def test_a_planted_dead_link_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# A heading, here\n")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](other.md) [b](none.md) [c](other.md#a-heading-here) [d](other.md#none) [e](https://example.org)\n"
    )
    assert dead_links(page) == ["none.md", "other.md#none"]


def test_blocks_and_steps_are_read_as_written() -> None:
    markdown = "a\n```python\nx\n```\n```python no-run\ny\n```\n```\nz\n```\n```console\n$ a \\\n  b\nout\n$ c\n```\n"
    python, console = blocks(markdown)
    assert (python.language, python.code, python.line) == ("python", "x\n", 3)
    assert list(steps(console.code)) == [("a \\\n  b", "out"), ("c", "")]
    assert matches("a ... d", "a b c d\n")
    assert not matches("a ... d", "a b c\n")


def test_every_page_is_on_the_index() -> None:
    index = (ROOT / "docs" / "README.md").read_text()
    pages = {str(page.relative_to(ROOT / "docs")) for page in PAGES if page.is_relative_to(ROOT / "docs")}
    assert {page for page in pages if f"({page})" not in index} == {"README.md"}
