"""Puts a report's figures into the docs, between marks; nobody writes a figure by hand."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from benches.harness.report import Report
from benches.harness.table import figure, rate
from benches.harness.targets import judge, load

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from benches.harness.report import GroupResult

MARK = re.compile(r"(<!-- bench: (?P<name>[^>]*?) -->\n).*?(<!-- /bench -->)", re.DOTALL)


def publish(text: str, reports: dict[str, Report]) -> str:
    """The text with everything between its marks made anew.

    A mark names what stands there: `summary`, `machine`, `targets`, or a group.
    """

    def replaced(match: re.Match[str]) -> str:
        return f"{match[1]}{content(match['name'], reports)}\n{match[3]}"

    return MARK.sub(replaced, text)


def pages(root: Path) -> list[Path]:
    """The pages that have marks."""
    return [root / "README.md", root / "docs/performance.md"]


def committed(root: Path) -> dict[str, Report]:
    """The reports that the docs are made from; the first gives most of the figures."""
    paths = sorted((root / "docs/performance").glob("*.json"), key=lambda path: path.stem != "vaes")
    return {path.stem: Report.load(path) for path in paths}


def content(name: str, reports: dict[str, Report]) -> str:
    """What stands between a pair of marks."""
    makers: dict[str, Callable[[dict[str, Report]], Iterator[str]]] = {
        "summary": summary,
        "machine": machine,
        "targets": target_table,
    }
    if name in makers:
        return "\n".join(makers[name](reports))
    first = next(iter(reports.values()))
    group = first.group(name)
    if group is None:
        raise KeyError(f"the report has no group {name!r}")
    return "\n".join(group_table(group))


def summary(reports: dict[str, Report]) -> Iterator[str]:
    """A row for each line of `SUMMARY`, from the first report."""
    report = next(iter(reports.values()))
    yield "| work | Strongroom | of the limit | beside it |"
    yield "|---|---|---|---|"
    for title, group_id, row, other in SUMMARY:
        group = report.group(group_id)
        if group is None:
            continue
        speed, share = rate(group.speed(row), group.unit), figure(group.ratio(row).median)
        beside = f"{other}: {rate(group.speed(other), group.unit)}"
        yield f"| {title} | **{speed}** | {share} | {beside} |"


SUMMARY = (
    (
        "1 GiB in memory, 64 KiB frames",
        "buffers/64 KiB frames/1 GiB/encrypt",
        "strongroom encrypt_into",
        "pyca AESGCM, into a buffer, 2 threads",
    ),
    (
        "1 GiB in memory, 4 KiB frames",
        "buffers/4 KiB frames/1 GiB/encrypt",
        "strongroom encrypt_into",
        "pyca AESGCM, into a buffer, 2 threads",
    ),
    ("a file of 1 GiB, in memory", "files/tmpfs/1 GiB/encrypt", "strongroom", "hand-written pyca, 2 threads"),
    (
        "messages of 1 KiB, one a call",
        "messages/1 KiB/encrypt one at a time",
        "strongroom, a room that records",
        "aws-encryption-sdk, caching",
    ),
)


def machine(reports: dict[str, Report]) -> Iterator[str]:
    """What was measured on, and which versions of the peers."""
    yield "| | " + " | ".join(reports) + " |"
    yield "|---" * (1 + len(reports)) + "|"
    facts = [report.machine | {"peers": versions(report)} for report in reports.values()]
    for name in facts[0]:
        yield f"| {name.replace('_', ' ')} | " + " | ".join(str(fact.get(name, "")) for fact in facts) + " |"


def versions(report: Report) -> str:
    """As `name version, …`."""
    return ", ".join(f"{peer} {version}" for peer, version in sorted(report.machine.get("peers", {}).items()))


def target_table(reports: dict[str, Report]) -> Iterator[str]:
    """Every target with what each run saw."""
    yield "| what | at least | " + " | ".join(reports) + " |"
    yield "|---|---" + "|---" * len(reports) + "|"
    verdicts = [{verdict.target: verdict for verdict in judge(load(), report)} for report in reports.values()]
    for target in load():
        seen = [found[target] for found in verdicts if target in found]
        cells = [
            "–" if verdict.seen is None else f"{figure(verdict.seen.median)}{'' if verdict.met else ' **missed**'}"
            for verdict in seen
        ]
        if cells:
            gain = " (gain)" if target.base else ""
            yield f"| {target.group}: {target.row}{gain}, of {target.against} | {target.at_least:g} | {' | '.join(cells)} |"


def group_table(group: GroupResult) -> Iterator[str]:
    """A group, its fastest row first."""
    yield f"| {group.id} | speed | of {group.against} | quartiles |"
    yield "|---|---|---|---|"
    for row in sorted(group.rows, key=lambda row: row.median):
        ratio = group.ratio(row.name)
        name = f"**{row.name}**" if row.kind == "strongroom" else row.name
        yield f"| {name} | {rate(group.speed(row.name), group.unit)} | {figure(ratio.median)} | {figure(ratio.low)} to {figure(ratio.high)} |"
