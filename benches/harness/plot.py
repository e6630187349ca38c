"""The pictures, drawn from a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib as mpl
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from matplotlib.axes import Axes

    from benches.harness.report import GroupResult, Report

OURS, LIMIT, PEER, FLOOR = "#0b6e4f", "#9aa0a6", "#c47f2c", "#5f6b7a"
COLOURS = {"strongroom": OURS, "limit": LIMIT, "floor": FLOOR, "peer": PEER}
UNITS = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
SIZE_ROWS = ("limit", "strongroom encrypt_into", "pyca AESGCM, into a buffer, 2 threads", "rencrypt (ring), 1 thread")


def draw(report: Report, folder: Path) -> None:
    """One SVG for each kind of work; the same report gives the same bytes."""
    mpl.rcParams.update({"svg.hashsalt": "strongroom", "font.size": 9, "svg.fonttype": "none"})
    folder.mkdir(parents=True, exist_ok=True)
    by_size = [group for group in report.groups if group.id.startswith("buffers/64 KiB frames/")]
    by_frame = [group for group in report.groups if group.id.startswith("buffers/") and "/64 MiB/" in group.id]
    curves(by_size, 2, "plaintext", folder / "buffers-by-size.svg")
    curves(by_frame, 1, "frame", folder / "buffers-by-frame.svg")
    for name, title in BARS.items():
        group = next((group for group in report.groups if group.id.startswith(title)), None)
        if group:
            bars(group, folder / f"{name}.svg")


BARS = {
    "workers": "workers/64 KiB frames/1 GiB/encrypt",
    "messages": "messages/1 KiB/encrypt one at a time",
    "messages-many": "messages/1 KiB/encrypt in one call",
    "files": "files/tmpfs/1 GiB/encrypt",
    "streams": "streams/",
    "ranged": "ranged/4 KiB at random",
    "trees": "trees/",
}


def curves(groups: Sequence[GroupResult], part: int, what: str, path: Path) -> None:
    """Throughput of encryption over a size that stands in the names of the groups."""
    groups = sorted((group for group in groups if group.id.endswith("/encrypt")), key=lambda group: at(group, part))
    if not groups:
        return
    figure, axes = sheet("encrypting memory, GB/s")
    for name in SIZE_ROWS:
        points = [(at(group, part), group.speed(name) / 1e9) for group in groups if has(group, name)]
        if points:
            kind = next(row.kind for group in groups for row in group.rows if row.name == name)
            axes.plot(*zip(*points, strict=True), marker="o", label=name, color=colour(name, kind))
    axes.set_xscale("log", base=2)
    axes.set_xticks(
        [at(group, part) for group in groups], [group.id.split("/")[part].removesuffix(" frames") for group in groups]
    )
    axes.set_xlabel(what)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    save(figure, path)


def bars(group: GroupResult, path: Path) -> None:
    """The rows of a group, the fastest on top."""
    rows = sorted(group.rows, key=lambda row: -row.median)
    unit = "GB/s" if group.unit == "bytes" else f"{group.unit}/s"
    scale = 1e9 if group.unit == "bytes" else 1
    figure, axes = sheet(f"{group.id}, {unit}", height=0.6 + 0.26 * len(rows))
    speeds = [group.speed(row.name) / scale for row in rows]
    axes.barh([row.name for row in rows], speeds, color=[COLOURS[row.kind] for row in rows])
    for place, speed in enumerate(speeds):
        axes.text(speed, place, f" {speed:,.2f}" if scale > 1 else f" {speed:,.0f}", va="center", fontsize=8)
    axes.set_xlim(0, max(speeds) * 1.15)
    save(figure, path)


def sheet(title: str, height: float = 3.4) -> tuple[Figure, Axes]:
    """An empty picture."""
    figure = Figure(figsize=(7.2, height), layout="constrained")
    axes = figure.add_subplot()
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save(figure: Figure, path: Path) -> None:
    """Without the date, so that only figures change the file."""
    figure.savefig(path, metadata={"Date": None})


def at(group: GroupResult, part: int) -> int:
    """The size that this part of a name says."""
    number, unit = group.id.split("/")[part].removesuffix(" frames").split()
    return int(number) * UNITS[unit]


def has(group: GroupResult, name: str) -> bool:
    """Whether a group has this row."""
    return any(row.name == name for row in group.rows)


def colour(name: str, kind: str) -> str:
    """Peers on one picture differ."""
    return "#8e5bb5" if name.startswith("rencrypt") else COLOURS[kind]
