"""The page: no word of the room becomes markup, no script runs, and a real browser shows and prints it."""

from __future__ import annotations

import re
import shutil
import subprocess
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import pytest
from strongroom.report.page import render
from unit.report.conftest import HOSTILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rooms import MadeRoom
    from strongroom.report import Evidence

SECTIONS = (
    "Summary",
    "Keys",
    "Cryptoperiods",
    "Use",
    "Refusals and failures",
    "Changes",
    "Census",
    "Backups",
    "Algorithms",
    "Audit log",
)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


class Reader(HTMLParser):
    """What a browser would make of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def page(busy: MadeRoom, evidence: Callable[..., Evidence]) -> str:
    return render(evidence())


def test_no_word_of_the_room_becomes_markup(page: str) -> None:
    read = Reader(page)
    assert read.tags.count("h1") == read.tags.count("style") == 1
    assert not {"script", "img", "link", "iframe", "object"} & set(read.tags)
    assert [name for name, _ in read.attributes if name.startswith("on") or name in {"src", "href", "style"}] == []
    # scope, owner are not cut; the reason is told of a lease and of a change, the class of a failure
    assert read.text.count(HOSTILE) >= 5
    assert "49" not in HOSTILE
    assert re.findall(r"https?://\S+", page) == []


def test_markup_would_be_found(page: str) -> None:
    planted = Reader(page.replace("&lt;script&gt;", "<script>", 1).replace("&lt;img", "<img", 1))
    assert "script" in planted.tags


# --- in a browser ----------------------------------------------------------------------------------------------------


def chromium(tmp_path: Path, page: Path, *options: str) -> str:
    if shutil.which("chromium") is None:
        pytest.skip("needs chromium")
    profile = f"--user-data-dir={tmp_path / 'profile'}"
    command = ["chromium", *QUIET, profile, *options, page.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "report.html"
    path.write_text(text)
    return path


def test_a_browser_shows_it_and_runs_nothing(page: str, tmp_path: Path) -> None:
    # a script that somehow got in is not run; and one that was would be noticed
    planted = page.replace("</body>", "<script>document.title = 'it ran'</script></body>")
    assert "<title>Evidence report" in chromium(tmp_path, written(tmp_path, planted), "--dump-dom")
    unguarded = re.sub("<meta http-equiv.*?>", "", planted)
    assert "<title>it ran" in chromium(tmp_path, written(tmp_path, unguarded), "--dump-dom")


def test_it_prints(page: str, tmp_path: Path) -> None:
    pdf = tmp_path / "report.pdf"
    chromium(tmp_path, written(tmp_path, page), "--no-pdf-header-footer", f"--print-to-pdf={pdf}")
    text = subprocess.run(["pdftotext", "-layout", pdf, "-"], capture_output=True, text=True, check=True).stdout
    pages = text.rstrip("\f").split("\f")
    assert 2 <= len(pages) <= 12
    assert [section for section in SECTIONS if section not in text] == []
    assert f"1/{len(pages)}" in pages[0].replace(" ", "")
    assert "alert(1)" in text
    subprocess.run(["pdftoppm", "-gray", "-r", "20", pdf, tmp_path / "sheet"], check=True)
    sheets = sorted(tmp_path.glob("sheet*"))
    assert len(sheets) == len(pages)
    assert all(len(set(sheet.read_bytes()[20:])) > 20 for sheet in sheets), "a sheet is blank"
