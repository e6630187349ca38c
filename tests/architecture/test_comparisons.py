"""Secret and authenticating bytes are compared by one function, in constant time: `strongroom_secmem::ct_eq`.

Tags of AES-GCM, HMACs and signatures are verified by the crypto library, which is given them and says yes or no.
"""

from __future__ import annotations

import pytest
from architecture.detectors import (
    PACKAGE,
    ROOT,
    compared_by_field,
    made_plain,
    other_comparisons,
    plain_comparisons,
    rust_without_tests,
)

RUST = {str(path.relative_to(ROOT)): rust_without_tests(path.read_text()) for path in ROOT.glob("rust/*/src/**/*.rs")}
PYTHON = {str(path.relative_to(ROOT)): path.read_text() for path in PACKAGE.rglob("*.py")}
# what looks like an authenticator and is the label of a PEM document
INNOCENT = "document.tag() == label"
DOOR = "rust/secmem/src/lib.rs"


def test_nothing_is_compared_by_its_operator() -> None:
    wrong = [f"{path}: {line}" for path, code in (RUST | PYTHON).items() for line in plain_comparisons(code)]
    assert [line for line in wrong if INNOCENT not in line] == []


def test_there_is_one_comparison_in_constant_time() -> None:
    assert [path for path, code in (RUST | PYTHON).items() if other_comparisons(code)] == [DOOR]
    callers = [path for path, code in RUST.items() if "ct_eq(" in code and path != DOOR]
    # the door is used: by the commitments of messages and agreements, by keys, by the MACs of tokens, and by Python
    assert {path.split("/")[1] for path in callers} == {"core", "hsm", "bindings"}


def test_no_dataclass_compares_a_secret() -> None:
    assert [f"{path}: {field}" for path, code in PYTHON.items() for field in compared_by_field(code)] == []


@pytest.mark.parametrize(
    "line",
    [
        "if tag == expected {",
        "if expected != computed_tag {",
        "row.mac == mac(row)",
        "a == header.commitment()",
        "x == &signature;",
        "given.digest() == wanted",
        "if passphrase != again:",
        "unwrapped.data_key == other",
        "self.mac.eq(&other)",
        "self.0.expose()? == theirs",
    ],
)
def test_planted_comparisons_are_found(line: str) -> None:
    assert plain_comparisons(line)


def test_comparisons_that_take_constant_time_would_be_found_if_they_did_not() -> None:
    plain = [line for code in (RUST | PYTHON).values() for line in made_plain(code)]
    assert len(plain) >= 4
    assert [line for line in plain if not plain_comparisons(line)] == []


@pytest.mark.parametrize(
    "line", ["if tag_length == 16 {", "stage == 3", "signature.len() == 96", "let tag = expected;", "key == name"]
)
def test_innocent_comparisons_are_left_alone(line: str) -> None:
    assert plain_comparisons(line) == []


@pytest.mark.parametrize(
    "line",
    ["hmac.compare_digest(a, b)", "use subtle::ConstantTimeEq;", "constant_time::verify_slices_are_equal(a, b)"],
)
def test_planted_comparisons_of_others_are_found(line: str) -> None:
    assert other_comparisons(line)


def test_planted_dataclasses_are_found() -> None:
    planted = "@dataclass(frozen=True{})\nclass Mark:\n    epoch: int\n    set_mac: bytes | None\n"
    assert compared_by_field(planted.format("")) == ["Mark.set_mac"]
    assert compared_by_field(planted.format(", eq=False")) == []
    assert compared_by_field(planted.format("").replace("None", "None = field(compare=False)")) == []
