"""Puts what the programs tried into docs/assurance.md, between marks; nobody writes a count by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from torture.report import Report

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

MARK = re.compile(r"(<!-- torture -->\n).*?(<!-- /torture -->)", re.DOTALL)


def publish(text: str, reports: Iterable[Report]) -> str:
    """The text with everything between its marks made anew."""
    table = "\n".join(rows(reports))
    return MARK.sub(lambda match: f"{match[1]}{table}\n{match[2]}", text)


def committed(root: Path) -> list[Report]:
    """The outcomes of the long runs, as they were kept."""
    return [Report.load(path) for path in sorted((root / "docs/assurance").glob("*.json"))]


def rows(reports: Iterable[Report]) -> Iterator[str]:
    """A row for each program."""
    yield "| program | what it tries to break | tried | found | control | last run |"
    yield "|---|---|---|---|---|---|"
    for report in reports:
        tried = ", ".join(f"{number:,} {kind}" for kind, number in report.tried.items())
        controls = "; ".join(
            f"{name}: {'found' if seen else '**not found**'}" for name, seen in report.controls.items()
        )
        found = f"**{len(report.found)}**" if report.found else "nothing"
        when = f"{report.at}, {duration(report.seconds)}"
        yield f"| `{report.program}` | {report.promise} | {tried} | {found} | {controls} | {when} |"


def duration(seconds: float) -> str:
    """For people: seconds below two minutes, else minutes."""
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
