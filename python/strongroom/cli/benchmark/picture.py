"""The result as a table with bars."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from strongroom.cli.benchmark.bounds import gigabytes
from strongroom.cli.benchmark.figures import median
from strongroom.cli.words import count, duration, shown

if TYPE_CHECKING:
    from strongroom.cli.benchmark.facts import Facts
    from strongroom.cli.benchmark.figures import Reference, Row
    from strongroom.cli.benchmark.place import Place
    from strongroom.cli.benchmark.suite import Result


def lines(result: Result, *, plain: bool) -> Iterator[str]:
    """Draw everything. `plain`: for a terminal or file that takes ASCII only."""
    yield from heading(result.facts, result.place, result.workers[-1])
    for group, rows in groupby(result.rows, key=lambda row: row.group):
        yield ""
        yield f"{group:<{NAME + 2}}{'RATE':>{RATE}}  {'OF ITS LIMIT':<{BAR + 6}}  {'QUARTILES':<12}  BOUND BY"
        shown_rows = list(rows)
        yield from (row_line(row, plain=plain) for row in shown_rows)
        yield from beside(shown_rows, [each for each in result.references if each.group == group])
    yield from explained(result.rows)
    yield from changes(result)


def heading(facts: Facts, place: Place, workers: int) -> Iterator[str]:
    """Say where this was measured."""
    of = "" if workers == facts.processors else f" on {count(facts.processors, 'processor')}"
    yield f"{facts.processor}, {AES[facts.aes]}; {count(workers, 'worker')}{of}; huge pages: {facts.huge_pages}"
    yield f"files in {shown(place.directory)}: {place.filesystem} on {shown(place.device)}"


def row_line(row: Row, *, plain: bool) -> str:
    """Draw a row."""
    ratio = row.ratio
    quartiles = f"{ratio.low:.2f} to {ratio.high:.2f}"
    share = f"{bar(ratio.median, plain=plain):<{BAR}}  {ratio.median:.2f}"
    return f"  {row.name:<{NAME}}{rate(row):>{RATE}}  {share}  {quartiles:<12}  {row.bound.cause}"


def bar(share: float, *, plain: bool) -> str:
    """Draw a share of the limit; more than all of it is drawn as all."""
    eighths = round(min(max(share, 0.0), 1.0) * BAR * 8)
    if plain:
        return "#" * round(eighths / 8)
    return "█" * (eighths // 8) + PARTS[eighths % 8]


def rate(measure: Row | Reference) -> str:
    """`19.8 GB/s`, `212,000/s`; of messages, reads or files, as the name of the row says."""
    if measure.unit == "bytes":
        return gigabytes(measure.rate)
    precision = 10 ** max(len(str(int(measure.rate))) - 3, 0)
    return f"{round(measure.rate / precision) * precision:,}/s"


def beside(rows: Sequence[Row], references: Sequence[Reference]) -> Iterator[str]:
    """Say what was measured beside the rows of a group, and how both grow with workers."""
    for workers, measured in groupby(references, key=lambda reference: reference.workers):
        listed = ", ".join(f"{reference.name} {rate(reference)}" for reference in measured)
        yield from wrapped(f"beside them, {count(workers, 'worker')}: {listed}", "  ")
    most = max(row.workers for row in rows)
    grown = [f"{side} {own:.2f} (the limit {limit:.2f})" for side, own, limit in growth(rows, most)]
    if grown:
        yield from wrapped(f"{most} workers are so many times as fast as one: {', '.join(grown)}", "  ")


def growth(rows: Sequence[Row], most: int) -> Iterator[tuple[str, float, float]]:
    """Compare rows that were measured with one worker and with all: their speed-up, and that of the limit."""
    by_name = {row.name: row for row in rows}
    for one in rows:
        side, comma, how = one.name.rpartition(", ")
        all_of_them = by_name.get(f"{side}, {count(most, 'worker')}")
        if how == "1 worker" and comma and most > 1 and all_of_them is not None:
            limit = median(one.limit) / median(all_of_them.limit)
            yield side.replace(" into your buffer", "").replace(", many a call", ""), all_of_them.rate / one.rate, limit


def explained(rows: Iterable[Row]) -> Iterator[str]:
    """Say for each cause what it rests on, by its clearest row: the one that is furthest from its limit."""
    by_cause: dict[str, list[Row]] = {}
    for row in rows:
        by_cause.setdefault(row.bound.cause, []).append(row)
    yield from ["", "What bounds them"]
    for cause, bound in by_cause.items():
        clearest = min(bound, key=lambda row: row.ratio.median)
        yield from wrapped(f"{cause}: {clearest.bound.sentence} ({clearest.name})", "  ")


def changes(result: Result) -> Iterator[str]:
    """Say what to change, what was done otherwise than asked, and how much this is worth."""
    advice = result.advice()
    yield from ["", "What to change" if advice else "Nothing to change."]
    for change in advice:
        yield from wrapped(f"{change.change}. {capital(change.because)}.", "  ")
    yield ""
    for note in result.notes:
        yield from wrapped(f"note: {note}", "")
    rounds = [len(row.seconds) for row in result.rows]
    yield f"{min(rounds)} to {max(rounds)} interleaved rounds, medians; {duration(result.seconds)}"


def wrapped(text: str, indent: str) -> list[str]:
    """Break a paragraph into lines; those after the first are further to the right."""
    return textwrap.wrap(text, WIDTH, initial_indent=indent, subsequent_indent=f"{indent}  ", break_long_words=False)


def capital(sentence: str) -> str:
    """Start a sentence."""
    return sentence[:1].upper() + sentence[1:]


NAME, RATE, BAR, WIDTH = 36, 10, 12, 100
PARTS = ("", "▏", "▎", "▍", "▌", "▋", "▊", "▉")
AES = {
    "vaes-avx512": "VAES with AVX-512",
    "vaes-avx2": "VAES with AVX2",
    "aes-ni": "AES instructions, no VAES",
    "arm-aes": "AES instructions",
    "none": "no AES instructions",
}
