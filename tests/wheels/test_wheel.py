"""The wheel that `STRONGROOM_WHEEL` names, as people get it: audited, installed into clean environments, used."""

import email.parser
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from wheels.pythons import OLDEST, chosen, environment

HERE = Path(__file__).parent
PYTHONS = chosen()
SUPPORTED = [python for python in PYTHONS if python.version >= OLDEST]
TOO_OLD = [python for python in PYTHONS if python.version < OLDEST]
NONE = pytest.param(None, id="none", marks=pytest.mark.skip(reason="there is no Python here that is too old"))

pytestmark = [pytest.mark.wheel, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def wheel():
    return Path(os.environ["STRONGROOM_WHEEL"]).resolve()


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(".dist-info/METADATA")]
        return email.parser.Parser().parsestr(archive.read(name).decode())


def test_the_stable_abi_is_kept(wheel):
    assert "-cp311-abi3-" in wheel.name
    audit(["abi3audit", "--strict", "--verbose", str(wheel)])


def test_it_runs_on_other_distributions(wheel):
    said = audit(["auditwheel", "show", str(wheel)])
    print(said)
    assert "manylinux" in wheel.name
    assert wheel.name.rpartition("-")[2].removesuffix(".whl").split(".")[0] in said


def test_metadata_and_licences(metadata, wheel):
    assert metadata["Requires-Python"] == ">=3.11"
    assert metadata["License-Expression"] == "Apache-2.0"
    licences = metadata.get_all("License-File")
    assert set(licences) == {"LICENSE", "THIRD-PARTY.txt"}
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        [notice] = [name for name in names if name.endswith("THIRD-PARTY.txt")]
        crates = archive.read(notice).decode()
    assert "\naws-lc" in crates
    assert "\npyo3 " in crates
    assert "strongroom/report/templates/report.html" in names
    assert any(name.endswith(".cyclonedx.json") for name in names)
    info = f"{metadata['Name'].replace('-', '_')}-{metadata['Version']}.dist-info"
    assert {name.split("/")[0] for name in names} == {"strongroom", info}


@pytest.mark.parametrize("python", SUPPORTED, ids=lambda python: python.name)
def test_a_round_trip_with_its_own_dependencies_only(wheel, metadata, python, tmp_path):
    interpreter = environment(python, tmp_path / "venv")
    audit([interpreter, "-m", "pip", "install", "--only-binary=:all:", str(wheel)])
    (tmp_path / "work").mkdir()
    print(audit([interpreter, "-I", HERE / "round_trip.py", tmp_path / "work", metadata["Name"]]))
    audit([interpreter, "-m", "pip", "check"])


@pytest.mark.parametrize("python", TOO_OLD or [NONE], ids=lambda python: python.name)
def test_an_older_python_is_refused(wheel, python, tmp_path):
    interpreter = environment(python, tmp_path / "venv")
    command = [interpreter, "-m", "pip", "install", "--no-deps", str(wheel)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "not a supported wheel on this platform" in done.stderr or ">=3.11" in done.stderr


def test_there_is_a_python_to_try():
    assert SUPPORTED, sys.version


def audit(command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (command, done.stdout, done.stderr)
    return done.stdout + done.stderr
