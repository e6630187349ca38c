"""Writes docs/reference from the code: the catalogue of errors. A test compares it with the tree."""

from __future__ import annotations

import inspect
from pathlib import Path

from strongroom import errors

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


def pages() -> dict[Path, str]:
    """Every generated page: where it stands and what it says."""
    return {REFERENCE / "errors.md": errors_page()}


def errors_page() -> str:
    tree, closing = (errors.__doc__ or "").split("```")[1:]
    rows = [
        f"| `{e.__name__}` | `{e.code}` | {e.exit_code} | {e.http_status} | {yes(e.retryable)} | {first(e)} |"
        for e in classes()
    ]
    return "\n".join(
        [
            GENERATED,
            "# Errors",
            "",
            "Everything that Strongroom raises on purpose is a `StrongroomError`. The tree is sorted by blame.",
            "",
            f"```text{tree}```",
            closing.rstrip(),
            "",
            "| class | code | exit code | HTTP status | retry may help | meaning |",
            "|---|---|---|---|---|---|",
            *rows,
            "",
        ]
    )


def classes() -> list[type[errors.StrongroomError]]:
    found = [e for e in vars(errors).values() if isinstance(e, type) and issubclass(e, errors.StrongroomError)]
    return sorted(found, key=lambda e: inspect.getsourcelines(e)[1])


def first(value: object) -> str:
    return (inspect.getdoc(value) or "").replace("\n", " ")


def yes(value: bool) -> str:  # noqa: FBT001 - it prints one
    return "yes" if value else ""


GENERATED = "<!-- Made by tools/reference.py (`make docs`); edit the docstrings instead. -->"

if __name__ == "__main__":
    for path, page in pages().items():
        path.write_text(page)
