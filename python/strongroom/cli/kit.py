"""A recovery kit on a terminal."""

from __future__ import annotations

import sys

from strongroom.cli.report import Report


def can_show_words(report: Report) -> bool:
    """Whether words reach a person's eyes: anywhere else they would end up in somebody's log."""
    return sys.stderr.isatty() and not report.json


def show_words(report: Report, kit: str) -> None:
    """Show the words of a recovery kit, numbered."""
    report.aside("\nThe recovery kit. Write these words down; they are not shown again:\n")
    words = kit.split()
    for start in range(0, len(words), 6):
        report.aside(
            "    " + "  ".join(f"{start + i + 1:2} {word:<10}" for i, word in enumerate(words[start : start + 6]))
        )
    report.aside("")
