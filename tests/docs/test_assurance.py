"""What docs/assurance.md counts is what the programs counted."""

from __future__ import annotations

from pathlib import Path

from torture.publish import MARK, committed, publish, rows
from torture.report import Report

ROOT = Path(__file__).parents[2]


def test_the_page_says_what_the_reports_say() -> None:
    text = (ROOT / "docs/assurance.md").read_text()
    assert MARK.search(text)
    assert publish(text, committed(ROOT)) == text


def test_no_report_that_is_kept_broke_its_promise() -> None:
    assert [report.program for report in committed(ROOT) if not report.held] == []


def test_what_was_found_and_controls_that_were_not_are_shown() -> None:
    broken = Report("x", "nothing is lost", {"kills": 1200}, ["lost a"], {"a planted loss": False}, seconds=130)
    assert not broken.held
    assert list(rows([broken]))[-1].split(" | ")[2:5] == ["1,200 kills", "**1**", "a planted loss: **not found**"]


def test_an_attempt_that_tried_nothing_holds_no_promise() -> None:
    assert not Report("x", "nothing is lost", {}, [], {"a planted loss": True}).held
