"""What a command says: a result on stdout (text, or one JSON object), summaries and errors on stderr."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import click

from strongroom.cli.failures import Failure, as_items, describe
from strongroom.cli.words import shown
from strongroom.errors import PartialFailure


@dataclass(slots=True)
class Report:
    """The voice of one run.

    `data_on_stdout`: stdout carries a stream, so JSON goes to stderr. `subject`: what the command is about, for errors
    that come from layers which see bytes and no names. `opened`: the room that was opened, "" for the default one. `quiet`:
    no summary was asked for.
    """

    json: bool = False
    data_on_stdout: bool = False
    subject: str | None = None
    opened: str | None = None
    quiet: bool = False

    def result(self, document: Mapping[str, object], lines: Iterable[str] = ()) -> None:
        """Print the result: `document` under `--json`, `lines` otherwise."""
        if self.json:
            self._print_json(document)
            return
        for line in lines:
            click.echo(line)

    def aside(self, line: str) -> None:
        """Print one line for people on stderr."""
        if not self.json:
            click.echo(line, err=True)

    def failed(self, failure: Failure, error: BaseException) -> None:
        """Print an error: `{"error": {code, message, exit_code}}` under `--json`, one sentence on stderr otherwise."""
        failure = self._about_its_subject(failure)
        if self.json:
            self._print_json({"error": failure.as_json()} | _what_was_done(error))
            return
        if isinstance(error, PartialFailure):
            for target, item in error.failures[:SHOWN_FAILURES]:
                click.echo(f"  {shown(target)}: {describe(item).message}", err=True)
        click.echo(f"strongroom: {failure.message}", err=True)

    def _print_json(self, document: Mapping[str, object]) -> None:
        # click would refuse surrogates in a path that is not UTF-8; escaped they are plain ASCII
        click.echo(json.dumps(document, ensure_ascii=True), err=self.data_on_stdout)

    def _about_its_subject(self, failure: Failure) -> Failure:
        if self.subject is None or failure.code not in NAMELESS or _names(failure.message, self.subject):
            return failure
        return dataclasses.replace(failure, message=f"{self.subject}: {failure.message}")


def table(rows: Sequence[Sequence[object]]) -> list[str]:
    """Rows in aligned columns, the first of them the heading."""
    texts = [[str(cell) for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in texts]


def _names(message: str, subject: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(subject)}(?!\w)", message) is not None


def _what_was_done(error: BaseException) -> dict[str, object]:
    """Of a run over several targets that failed for some: what succeeded, and the codes of what did not."""
    if not isinstance(error, PartialFailure):
        return {}
    from strongroom.cli.results import document

    result = getattr(error, "result", None)
    return (document(result) if result is not None else {}) | {"failures": as_items(error.failures)}


SHOWN_FAILURES = 20

# errors of layers that see bytes and keys, not files
NAMELESS = frozenset(
    {
        "authentication",
        "denied",
        "format",
        "format.malformed",
        "format.truncated",
        "format.unsupported",
        "key.not-found",
        "key.state",
        "limit",
    }
)
