"""Writes docs/reference from the code: the catalogue of errors and the public API. A test compares both with the tree."""

from __future__ import annotations

import importlib
import inspect
import re
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path

from strongroom import errors

REFERENCE = Path(__file__).parents[1] / "docs" / "reference"
MODULES = (
    "strongroom",
    "strongroom.client",
    "strongroom.keyring",
    "strongroom.recovery",
    "strongroom.report",
    "strongroom.testing",
)
# what calls return and nobody imports
RETURNED = (
    "strongroom.client.keys.Keys",
    "strongroom.client.scopes.Scopes",
    "strongroom.client.classes.Classes",
    "strongroom.client.root.Root",
    "strongroom.client.ways.Ways",
    "strongroom.client.fileobj.MessageReader",
    "strongroom.client.fileobj.MessageFileWriter",
    "strongroom.client.results.FileResult",
    "strongroom.client.results.TreeResult",
    "strongroom.client.results.MessageInfo",
    "strongroom.client.results.WhyInfo",
    "strongroom.client.trees.TreeFailure",
    "strongroom.home.InitResult",
    "strongroom.home.NewWay",
    "strongroom.model.RootInfo",
    "strongroom.model.Way",
    "strongroom.keyservice.DueTask",
    "strongroom.keystore.HistoryRecord",
    "strongroom.model.DataClass",
    "strongroom.model.Key",
    "strongroom.model.KeyVersion",
    "strongroom.model.KeyState",
)


def pages() -> dict[Path, str]:
    """Every generated page: where it stands and what it says."""
    return {REFERENCE / "errors.md": errors_page(), REFERENCE / "api.md": api_page()}


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


def api_page() -> str:
    sections = [section for name in MODULES if (section := module_section(name))]
    return "\n".join([GENERATED, "# Python API", "", *sections, returned_section()])


def module_section(name: str) -> str:
    module = importlib.import_module(name)
    parts = [f"## {name}", "", inspect.getdoc(module) or "", ""]
    for member in module.__all__:
        value = getattr(module, member)
        home = getattr(value, "__module__", name)
        if callable(value) and (name == "strongroom" or home.startswith(name)):
            parts += member_section(member, value)
    return "\n".join(parts)


def returned_section() -> str:
    parts = ["## What the calls return", ""]
    for path in RETURNED:
        module, _, name = path.rpartition(".")
        parts += returned(name, getattr(importlib.import_module(module), name))
    return "\n".join(parts)


def member_section(name: str, value: object) -> list[str]:
    if not isinstance(value, type):
        return entry("###", name, value)
    if issubclass(value, BaseException):
        return []
    return [*entry("###", name, value), *methods(name, value)]


def methods(name: str, value: type) -> list[str]:
    parts = []
    # Python keeps the order of the source; the attributes of a Rust class have none
    in_order = sorted(vars(value)) if value.__module__ == "strongroom.crypto" else vars(value)
    for member in in_order:
        attribute = vars(value)[member]
        if not member.startswith("_") and inspect.getdoc(attribute):
            parts += entry("####", f"{name}.{member}", getattr(attribute, "__func__", attribute))
    return parts


def returned(name: str, value: type) -> list[str]:
    """A class that only the library makes: its fields or values in place of a constructor."""
    if not is_dataclass(value) and not issubclass(value, Enum):
        return [f"### {name}", "", text(value), "", *methods(name, value)]
    lines = [str(item) for item in value] if issubclass(value, Enum) else [f"{f.name}: {f.type}" for f in fields(value)]
    return [f"### {name}", "", "```text", *lines, "```", "", text(value), ""]


def entry(level: str, name: str, value: object) -> list[str]:
    call = signature(value)
    shown = ["```text", f"{name}{call}", "```", ""] if call else []
    return [f"{level} {name.replace('_', chr(92) + '_')}", "", *shown, text(value), ""]


def signature(value: object) -> str:
    """How it is called; empty for what is not called, or is made by another call."""
    if not callable(value):
        return ""
    try:
        found = inspect.signature(value)
    except ValueError:
        return ""
    if any(name.startswith("_") for name in found.parameters):
        return ""
    # annotations are strings; what stands in quotes after `=` is a value
    return re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(found)).replace("(self, ", "(").replace("(self)", "()")


def text(value: object) -> str:
    return inspect.getdoc(value) or ""


def first(value: object) -> str:
    return (inspect.getdoc(value) or "").replace("\n", " ")


def yes(value: bool) -> str:  # noqa: FBT001 - it prints one
    return "yes" if value else ""


GENERATED = "<!-- Made by tools/reference.py (`make docs`); edit the docstrings instead. -->"

if __name__ == "__main__":
    for path, page in pages().items():
        path.write_text(page)
