"""Every variant of the core's error becomes one class of `strongroom.errors`, or is the system's or the caller's own."""

import re

from architecture.detectors import ROOT
from strongroom import errors

CLASSES = {
    "Misuse": "Misuse",
    "Malformed": "MalformedMessage",
    "Truncated": "TruncatedMessage",
    "Unsupported": "UnsupportedFormat",
    "Authentication": "AuthenticationFailed",
    "Limit": "LimitExceeded",
    "KeyNotFound": "KeyNotFound",
    "KeyUnavailable": "KeyUnavailable",
    "SourceChanged": "SourceChanged",
    "TargetExists": "TargetExists",
    "Cancelled": "Cancelled",
    "Io": None,
    "Caller": None,
}


def test_variants_and_classes_agree() -> None:
    source = (ROOT / "rust" / "core" / "src" / "error.rs").read_text()
    assert set(variants(source)) == set(CLASSES)
    assert all(issubclass(getattr(errors, name), errors.StrongroomError) for name in CLASSES.values() if name)


def test_variants_are_read_whole() -> None:
    planted = "pub enum Error {\n    /// doc\n    One(String),\n    Two {\n        field: u64,\n    },\n    Three,\n}\n"
    assert variants(planted) == ["One", "Two", "Three"]


def test_codes_are_unique() -> None:
    codes = [error.code for error in classes()]
    assert len(codes) == len(set(codes))


def test_the_tree_in_the_docstring_names_every_class() -> None:
    drawn = re.findall(r"^[│├└─ ]*(\w+)", (errors.__doc__ or "").split("```")[1], re.MULTILINE)
    assert sorted(drawn) == sorted(error.__name__ for error in classes())


def variants(source: str) -> list[str]:
    body = source.split("pub enum Error {\n")[1].split("\n}\n")[0]
    return re.findall(r"^ {4}(\w+)", body, re.MULTILINE)


def classes() -> list[type[errors.StrongroomError]]:
    return [
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.StrongroomError)
    ]
