"""How the outcome of libFuzzer is read. What it runs is run by `cargo test`, see `fuzz/claims/tests/smoke.rs`."""

from __future__ import annotations

from torture.fuzz import ROOT, SCALES, executed, said

FOUND = """#3705 NEW cov: 3
thread '<unnamed>' (22824) panicked at claims/src/memory.rs:16:5:
58848 bytes were allocated where 2368 are enough
SUMMARY: libFuzzer: deadly signal
Test unit written to fuzz/artifacts/control/crash-95176b4d
stat::number_of_executed_units: 3705
"""


def test_runs_are_counted_and_what_was_found_is_named() -> None:
    assert executed(FOUND) == 3705
    assert executed("no such thing") == 0
    assert "58848 bytes were allocated" in said(FOUND)
    assert "crash-95176b4d" in said(FOUND)


def test_every_claim_has_a_target_and_seeds() -> None:
    claims = (ROOT / "fuzz" / "claims" / "src" / "lib.rs").read_text()
    for target in SCALES:
        assert f'("{target}", {target})' in claims
        assert f'name = "{target}"' in (ROOT / "fuzz" / "Cargo.toml").read_text()
        assert any((ROOT / "fuzz" / "seeds" / target).iterdir())
    assert claims.count('    ("') == len(SCALES)


def test_the_seeds_stay_small() -> None:
    assert sum(path.stat().st_size for path in (ROOT / "fuzz" / "seeds").glob("*/*")) < 500_000
