"""The result as one JSON object: every figure, and the machine that it comes from."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from strongroom.cli.benchmark.figures import Spread

if TYPE_CHECKING:
    from strongroom.cli.benchmark.figures import Reference, Row
    from strongroom.cli.benchmark.suite import Result


def document(result: Result) -> dict[str, object]:
    """Make the object. Rates are per second, times are seconds, sizes are bytes."""
    return {
        "machine": dataclasses.asdict(result.facts),
        "meanwhile": dataclasses.asdict(result.meanwhile),
        "place": dataclasses.asdict(result.place),
        "workers": result.workers[-1],
        "seconds": round(result.seconds, 1),
        "rows": [of_row(row) for row in result.rows],
        "references": [of_measure(reference) for reference in result.references],
        "advice": [dataclasses.asdict(advice) for advice in result.advice()],
        "doubts": result.doubts(),
        "notes": result.notes,
    }


def of_row(row: Row) -> dict[str, object]:
    """Describe a row; its limit in seconds as well, round by round as its own."""
    compared = {"ratio": rounded(row.ratio), "limit_seconds": list(row.limit), "bound": dataclasses.asdict(row.bound)}
    return of_measure(row) | compared


def of_measure(measure: Row | Reference) -> dict[str, object]:
    """Describe what a row and a reference have in common."""
    return {
        "group": measure.group,
        "name": measure.name,
        "unit": measure.unit,
        "amount": measure.amount,
        "workers": measure.workers,
        "rate": measure.rate,
        "seconds": list(measure.seconds),
    }


def rounded(spread: Spread) -> dict[str, float]:
    """Give the quartiles of a ratio."""
    return {name: round(value, 3) for name, value in dataclasses.asdict(spread).items()}
