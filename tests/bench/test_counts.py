"""The counts of instructions: what is ours, and what differs."""

import dataclasses
import shutil
import sys
import tomllib

import pytest

from benches.counts import CannotCount, Count, Miss, __main__, callgrind, recorded, report
from benches.counts.count import COLUMNS, SCENARIOS

# a message of ours calls libc, the cipher library, and once more itself; names are written out once
CALLGRIND = """\
version: 1
positions: line
events: Ir

ob=(1) /target/release/counts
fl=(1) seal.rs
fn=(1) _ZN15strongroom_core7message4seal17h0123456789abcdefE
12 100
+3 20
cob=(2) /lib/libc.so.6
cfi=(2) malloc.c
cfn=(2) malloc
calls=3 40
* 3000
fi=(3) other.rs
-2 7
cfn=(3) aws_lc_0_47_0_EVP_AEAD_CTX_seal_scatter
calls=2 0
20 90000
cfn=(4) _RNvXs2_NtNtCs_3std4hash
calls=1 0
20 50

fn=(4)
5 50

fn=(3)
1 400
cfn=(5) __memcpy_avx_unaligned_erms
calls=9 0
1 99
"""


@pytest.fixture
def found() -> Count:
    return Count(120, 3, 3, 1, 2, functions={"_ZN1a17hE": 120.0}, callees={"malloc": 3.0}, elsewhere=9.0)


@pytest.fixture
def targets(found, monkeypatch) -> dict:
    monkeypatch.setattr(recorded, "rustc", lambda: {"release": "1.2.3", "host": "here"})
    return tomllib.loads(recorded.updated("", {"message-seal": found}))


def test_ours_is_rust_and_calls_out_of_it() -> None:
    profile = callgrind.read(CALLGRIND)
    seal, write = "_ZN15strongroom_core7message4seal17h0123456789abcdefE", "_RNvXs2_NtNtCs_3std4hash"
    assert profile.instructions == {seal: 127, write: 50}
    assert profile.calls == {"malloc": 3, "EVP_AEAD_CTX_seal_scatter": 2}
    assert profile.elsewhere == 400
    assert callgrind.readable(seal) == "strongroom_core::message::seal"


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("__memcpy_avx_unaligned_erms", "memcpy"),
        ("__memmove_evex_unaligned_erms", "memcpy"),
        ("memcpy@GLIBC_2.2.5", "memcpy"),
        ("__memcmp_sse4_1", "memcmp"),
        ("aws_lc_0_48_1_HKDF", "HKDF"),
        ("memory_of_mine", "memory_of_mine"),
    ],
)
def test_a_processor_and_a_version_are_not_in_the_name(symbol, name) -> None:
    assert callgrind.canonical(symbol) == name


def test_what_is_written_down_is_no_miss(found, targets) -> None:
    assert recorded.compare(targets, {"message-seal": found}) == []


@pytest.mark.parametrize("what", COLUMNS)
@pytest.mark.parametrize("change", [1, -1, 0.125])
def test_any_difference_is_a_miss(found, targets, what, change) -> None:
    worse = dataclasses.replace(found, **{what: getattr(found, what) + change})
    (miss,) = recorded.compare(targets, {"message-seal": worse})
    assert (miss.scenario, miss.what, miss.found - miss.expected) == ("message-seal", what, change)
    text = report.explanation(targets, {"message-seal": worse}, [miss])
    assert "MISS message-seal" in text
    assert "--update" in text


def test_a_scenario_that_is_not_written_down_is_a_miss(found, targets) -> None:
    del targets["counts"]["of"]["message-seal"]
    assert len(recorded.compare(targets, {"message-seal": found})) == len(COLUMNS)


def test_another_compiler_is_named(found, targets, monkeypatch) -> None:
    monkeypatch.setattr(report, "rustc", lambda: {"release": "1.3.0", "host": "here"})
    miss = Miss("message-seal", "instructions", 120, 121)
    assert "Rust 1.2.3, and this is 1.3.0" in report.explanation(targets, {"message-seal": found}, [miss])


def test_another_kind_of_processor_cannot_be_compared(found, targets, monkeypatch) -> None:
    monkeypatch.setattr(recorded, "rustc", lambda: {"release": "1.2.3", "host": "elsewhere"})
    with pytest.raises(CannotCount, match="those of here, and this is elsewhere"):
        recorded.compare(targets, {"message-seal": found})


def test_without_valgrind_the_code_says_so(monkeypatch, capsys) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["counts.py"])
    assert __main__.main() == 77
    assert "tools/needs.sh bench" in capsys.readouterr().err


def test_an_update_leaves_the_other_sections_alone(found, targets) -> None:
    above = "# ratios\n[buffers]\nlimit = 0.92 # of the limit\n"
    once = recorded.updated(above, {"message-seal": found})
    assert once.startswith(above)
    assert recorded.updated(once, {"message-seal": found}) == once
    below = "\n# of files\n[files]\nfloor = 0.95\n"
    assert recorded.updated(once + below, {"message-seal": found}) == once.replace(
        "\n[counts]", below + "\n[counts]", 1
    )


def test_every_scenario_has_its_counts() -> None:
    written = tomllib.loads(recorded.TARGETS.read_text())["counts"]["of"]
    assert written.keys() == SCENARIOS.keys()
    assert all(set(of) == set(COLUMNS) for of in written.values())
