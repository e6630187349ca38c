"""The figures in the docs are those of the reports beside them."""

from __future__ import annotations

from pathlib import Path

import pytest

from benches.harness.publish import MARK, committed, pages, publish

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("page", pages(ROOT), ids=lambda page: page.name)
def test_a_page_says_what_the_reports_say(page: Path) -> None:
    text = page.read_text()
    assert MARK.search(text)
    assert publish(text, committed(ROOT)) == text
