"""Every variant of the core's error becomes one class of `strongroom.errors`, or is the system's or the caller's own."""

import re

from architecture.detectors import ROOT
from strongroom import errors

# what the system or the caller raised passes through; where it cannot, it is our bug
PASSED_THROUGH = "InternalError"


def test_variants_and_classes_agree() -> None:
    table = mapping((ROOT / "rust" / "bindings" / "src" / "error.rs").read_text())
    assert set(variants((ROOT / "rust" / "core" / "src" / "error.rs").read_text())) == set(table)
    assert set(table.values()) <= {error.__name__ for error in classes()}
    assert {variant for variant, name in table.items() if name == PASSED_THROUGH} == {"Io", "Caller"}


def test_the_table_is_read_whole() -> None:
    planted = 'fn class() {\n    match error {\n        Error::One(_) => "First",\n        Error::Two { .. } | Error::Three => "Rest",\n'
    assert mapping(planted) == {"One": "First", "Two": "Rest", "Three": "Rest"}


def test_variants_are_read_whole() -> None:
    planted = "pub enum Error {\n    /// doc\n    One(String),\n    Two {\n        field: u64,\n    },\n    Three,\n}\n"
    assert variants(planted) == ["One", "Two", "Three"]


def test_codes_are_unique() -> None:
    codes = [error.code for error in classes()]
    assert len(codes) == len(set(codes))


def test_the_tree_in_the_docstring_names_every_class() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+)", (errors.__doc__ or "").split("```")[1], re.MULTILINE)
    assert sorted(drawn) == sorted(error.__name__ for error in classes())


def mapping(source: str) -> dict[str, str]:
    arms = re.findall(r"^\s*(Error::.*?) => \"(\w+)\",$", source, re.MULTILINE)
    return {variant: name for arm, name in arms for variant in re.findall(r"Error::(\w+)", arm)}


def variants(source: str) -> list[str]:
    body = source.split("pub enum Error {\n")[1].split("\n}\n")[0]
    return re.findall(r"^ {4}(\w+)", body, re.MULTILINE)


def classes() -> list[type[errors.StrongroomError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.StrongroomError)
    ]
