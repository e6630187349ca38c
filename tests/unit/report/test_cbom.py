"""The bill of materials against the official schema of CycloneDX."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from strongroom.client.room import Room
from strongroom.crypto import suites
from strongroom.home import Unlock
from strongroom.report import bom
from strongroom.report.cbom import ALGORITHMS, parts_of, suite_component
from strongroom.report.evidence import UsedSuite

if TYPE_CHECKING:
    from collections.abc import Callable

    from rooms import MadeRoom
    from strongroom.report import Evidence

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def faults(document: dict[str, Any]) -> object:
    return VALIDATOR.validate_str(json.dumps(document))


def test_it_is_what_the_schema_says(evidence: Callable[..., Evidence], busy: MadeRoom) -> None:
    with Room(busy.home, Unlock(key_file=busy.key_file)) as opened:
        key = next(key for key in opened.keys.list() if len(key.versions) == 2)
        opened.keys.compromise(key.id, 1, reason="a drill")
    made = bom(evidence())
    assert faults(made) is None
    states = [
        each["cryptoProperties"]["relatedCryptoMaterialProperties"]["state"]
        for each in made["components"]
        if each["cryptoProperties"]["assetType"] == "related-crypto-material"
    ]
    assert sorted(states) == ["active", "active", "compromised"]
    known = {each["bom-ref"] for each in made["components"]} | {"room"}
    named = {name for each in made["dependencies"] for name in (each["ref"], *each["dependsOn"])}
    assert named <= known


def test_every_suite_and_algorithm_has_its_place(evidence: Callable[..., Evidence], room: MadeRoom) -> None:
    made = bom(evidence())
    used = [UsedSuite(suite=suite, classes=(), messages=1, bytes=1, past=True) for suite in suites()]
    assert {name for suite in suites() for name in parts_of(suite)} <= ALGORITHMS.keys()
    made["components"] += [suite_component(each) | {"bom-ref": f"test/{each.suite.id}"} for each in used]
    assert faults(made) is None


@pytest.mark.parametrize("name", ["primitive", "cryptoFunctions", "state"])
def test_a_planted_fault_is_found(evidence: Callable[..., Evidence], room: MadeRoom, name: str) -> None:
    text = json.dumps(bom(evidence()))
    assert f'"{name}": ' in text
    planted = text.replace(f'"{name}": ', f'"{name}": 7, "x": ', 1)
    assert VALIDATOR.validate_str(planted) is not None
