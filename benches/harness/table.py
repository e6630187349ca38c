"""A report as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.harness.report import GroupResult, Report


def lines(report: Report) -> Iterator[str]:
    """The whole report."""
    yield ", ".join(f"{name}: {value}" for name, value in report.machine.items())
    for group in report.groups:
        yield from group_lines(group)
    for peer, why in report.absent.items():
        yield f"not measured: {peer} ({why})"


def group_lines(group: GroupResult) -> Iterator[str]:
    """A group, its fastest row first."""
    yield ""
    yield f"{group.id:58}{'':>12}  of {group.against}"
    for row in sorted(group.rows, key=lambda row: row.median):
        ratio = group.ratio(row.name)
        noise = f"  ({row.noisy} of {len(row.seconds)} noisy)" if row.noisy else ""
        speed = f"{rate(group.speed(row.name), group.unit):>14}"
        yield f"  {row.name:54}{speed}{figure(ratio.median):>8}  {figure(ratio.low)} to {figure(ratio.high)}{noise}"


def rate(value: float, unit: str) -> str:
    """A speed that people can read."""
    if unit == "bytes":
        return f"{value / 1e9:.2f} GB/s" if value >= 1e8 else f"{value / 1e6:.2f} MB/s"
    return f"{value:,.0f} {unit}/s"


def figure(value: float) -> str:
    """A ratio with three digits that mean something."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"
