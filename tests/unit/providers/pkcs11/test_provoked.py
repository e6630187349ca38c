"""Faults that the torture program provokes in the token's own files, as far as they leave other tests their tokens."""

from argparse import Namespace
from pathlib import Path

import pytest
from tokens import Proxy, SoftHsm

from torture.hsm.faults import FAULTS, Stand
from torture.hsm.trial import Trial, impatient
from torture.report import Report


@pytest.mark.parametrize("name", ["key without its use", "key's file cut", "somebody else's C_Finalize"])
def test_a_fault_ends_in_the_right_error_and_passes(
    name: str, softhsm: SoftHsm, proxy: Proxy, state: Path, tmp_path: Path
) -> None:
    trial = Trial(Namespace(), Report("hsm", "in small"), tmp_path, softhsm, proxy)
    with impatient() as bound:
        stand = Stand(trial, bound)
        assert FAULTS[name](stand) > 0
    assert stand.found == []


def test_another_error_than_the_right_one_is_found(softhsm: SoftHsm, proxy: Proxy, state: Path, tmp_path: Path) -> None:
    stand = Stand(Trial(Namespace(), Report("hsm", "in small"), tmp_path, softhsm, proxy), 30)
    stand.ends("well", "ProviderUnavailable")
    assert stand.found == ["well: fine, not ProviderUnavailable"]
