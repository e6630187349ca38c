"""What the room's cryptography is made of, as a CycloneDX 1.6 bill of materials (ECMA-424): algorithms, suites and keys.

Key versions are in it by id, state and dates. States are those of NIST SP 800-57, which CycloneDX has taken as well.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import UTC
from typing import TYPE_CHECKING, Any

from strongroom.keys import decrypts_until
from strongroom.model import KeyState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from strongroom.crypto import Suite
    from strongroom.model import Key, KeyVersion
    from strongroom.report.evidence import Evidence, UsedSuite

    Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm as CycloneDX tells it. `quantum` is the NIST category against a quantum computer, 0 for none."""

    name: str
    primitive: str
    functions: tuple[str, ...]
    classical: int
    quantum: int
    oid: str | None = None
    parameter: str | None = None
    mode: str | None = None
    curve: str | None = None


def bom(evidence: Evidence) -> Json:
    """The bill of materials of a room."""
    made = stamp(evidence.made)
    used = algorithms_of(evidence)
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, f'strongroom/{evidence.room}/{made}')}",
        "version": 1,
        "metadata": {
            "timestamp": made,
            "tools": {"components": [{"type": "application", "name": "strongroom", "version": evidence.library}]},
            "component": {"type": "data", "bom-ref": ROOM, "name": f"strongroom room {evidence.room}"},
        },
        "components": [
            *(algorithm_component(ALGORITHMS[name], name) for name in used),
            *(suite_component(each) for each in evidence.suites),
            *(key_component(version, key, evidence) for key in evidence.keys for version in key.versions),
        ],
        "dependencies": list(dependencies(evidence, used)),
    }


def algorithms_of(evidence: Evidence) -> list[str]:
    """The algorithms that the room uses, those that its suites are made of among them, by their names here."""
    used = {*BENEATH, *(name for each in evidence.suites for name in parts_of(each.suite))}
    used |= {name for way in evidence.ways for name in WAYS.get(way.kind, ())}
    return sorted(used)


def parts_of(suite: Suite) -> Iterator[str]:
    """What a suite is made of."""
    yield f"aes-{suite.key_length * 8}-gcm"
    if suite.hash is not None:
        yield f"hkdf-{suite.hash}"
    if suite.curve is not None:
        yield f"ecdsa-{suite.curve}"


def algorithm_component(algorithm: Algorithm, name: str) -> Json:
    """An algorithm as a component."""
    optional = {
        "parameterSetIdentifier": algorithm.parameter,
        "mode": algorithm.mode,
        "curve": algorithm.curve,
    }
    properties: Json = {
        "primitive": algorithm.primitive,
        **{key: value for key, value in optional.items() if value is not None},
        "executionEnvironment": "software-plain-ram",
        "cryptoFunctions": list(algorithm.functions),
        "classicalSecurityLevel": algorithm.classical,
        "nistQuantumSecurityLevel": algorithm.quantum,
    }
    asset: Json = {"assetType": "algorithm", "algorithmProperties": properties}
    if algorithm.oid is not None:
        asset["oid"] = algorithm.oid
    return {
        "type": "cryptographic-asset",
        "bom-ref": f"algorithm/{name}",
        "name": algorithm.name,
        "cryptoProperties": asset,
    }


def suite_component(used: UsedSuite) -> Json:
    """A suite of the AWS Encryption SDK as a component: what it commits to, and until when it is good."""
    suite = used.suite
    said = {
        "strongroom:suite": f"{suite.id:04x}",
        "strongroom:key-commitment": str(suite.commits).lower(),
        "strongroom:classes": " ".join(used.classes),
        "strongroom:messages-found": str(used.messages),
        "strongroom:past-shelf-life": str(used.past).lower(),
    }
    if suite.not_after is not None:
        said["strongroom:not-after"] = str(suite.not_after)
    if suite.replacement is not None:
        said["strongroom:replacement"] = f"{suite.replacement:04x}"
    return {
        "type": "cryptographic-asset",
        "bom-ref": suite_ref(suite.id),
        "name": suite.name,
        "cryptoProperties": {
            "assetType": "algorithm",
            "algorithmProperties": {
                "primitive": "combiner",
                "parameterSetIdentifier": f"{suite.id:04x}",
                "cryptoFunctions": ["encrypt", "decrypt", "keyderive", *(["sign", "verify"] if suite.curve else [])],
                "classicalSecurityLevel": suite.key_length * 8,
                # a signature of the curve would be the weakest part, and only says who wrote it
                "nistQuantumSecurityLevel": QUANTUM[suite.key_length * 8],
            },
        },
        "properties": [{"name": name, "value": value} for name, value in said.items()],
    }


def key_component(version: KeyVersion, key: Key, evidence: Evidence) -> Json:
    """A key version as a component. Nothing of the key itself is known here."""
    data_class = next(each for each in evidence.classes if each.name == key.data_class)
    dates = {
        "creationDate": version.created,
        "activationDate": version.activated or version.activates,
        "expirationDate": decrypts_until(version, data_class),
    }
    return {
        "type": "cryptographic-asset",
        "bom-ref": key_ref(key, version),
        "name": f"key-encryption key {key.id} version {version.version}",
        "cryptoProperties": {
            "assetType": "related-crypto-material",
            "relatedCryptoMaterialProperties": {
                "type": "secret-key",
                "id": f"{key.id}/{version.version}",
                "state": STATES[version.state],
                "algorithmRef": "algorithm/aes-256-gcm",
                **{name: stamp(date) for name, date in dates.items() if date is not None},
                "size": 256,
                "securedBy": secured(version),
            },
        },
        "properties": [
            {"name": "strongroom:class", "value": key.data_class},
            {"name": "strongroom:state", "value": str(version.state)},
            {"name": "strongroom:primary", "value": str(version.primary).lower()},
        ],
    }


def secured(version: KeyVersion) -> Json:
    """What keeps a key version: the root wraps it, or a token holds it."""
    if version.token is not None:
        return {"mechanism": "held by a PKCS#11 token"}
    return {"mechanism": "wrapped by the root key", "algorithmRef": "algorithm/aes-256-gcm"}


def dependencies(evidence: Evidence, used: list[str]) -> Iterator[Json]:
    """The room uses suites and keys, and suites are made of algorithms."""
    keys = [key_ref(key, version) for key in evidence.keys for version in key.versions]
    suites = [suite_ref(each.suite.id) for each in evidence.suites]
    yield {"ref": ROOM, "dependsOn": sorted({*(f"algorithm/{name}" for name in used), *suites, *keys})}
    for each in evidence.suites:
        yield {"ref": suite_ref(each.suite.id), "dependsOn": [f"algorithm/{name}" for name in parts_of(each.suite)]}


def suite_ref(suite: int) -> str:
    """How a suite is called within the document."""
    return f"suite/{suite:04x}"


def key_ref(key: Key, version: KeyVersion) -> str:
    """How a key version is called within the document."""
    return f"key/{key.id}/{version.version}"


def stamp(time: datetime) -> str:
    """A time in RFC 3339."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


ROOM = "room"
QUANTUM = {128: 1, 192: 3, 256: 5}
CIPHER = ("encrypt", "decrypt")
SIGNATURE = ("sign", "verify")
# classical strength in bits, and the NIST category against a quantum computer
ALGORITHMS = {
    "aes-128-gcm": Algorithm("AES-128-GCM", "ae", CIPHER, 128, 1, "2.16.840.1.101.3.4.1.6", "128", "gcm"),
    "aes-192-gcm": Algorithm("AES-192-GCM", "ae", CIPHER, 192, 3, "2.16.840.1.101.3.4.1.26", "192", "gcm"),
    "aes-256-gcm": Algorithm("AES-256-GCM", "ae", CIPHER, 256, 5, "2.16.840.1.101.3.4.1.46", "256", "gcm"),
    "argon2id": Algorithm("Argon2id", "kdf", ("keyderive",), 256, 5),
    "ecdsa-p256": Algorithm(
        "ECDSA P-256 with SHA-256", "signature", SIGNATURE, 128, 0, "1.2.840.10045.4.3.2", curve="P-256"
    ),
    "ecdsa-p384": Algorithm(
        "ECDSA P-384 with SHA-384", "signature", SIGNATURE, 192, 0, "1.2.840.10045.4.3.3", curve="P-384"
    ),
    "ecdsa-p521": Algorithm(
        "ECDSA P-521 with SHA-512", "signature", SIGNATURE, 256, 0, "1.2.840.10045.4.3.4", curve="P-521"
    ),
    "ed25519": Algorithm("Ed25519", "signature", SIGNATURE, 128, 0, "1.3.101.112", curve="Curve25519"),
    "hkdf-sha256": Algorithm("HKDF-SHA256", "kdf", ("keyderive",), 256, 5, "1.2.840.113549.1.9.16.3.28"),
    "hkdf-sha384": Algorithm("HKDF-SHA384", "kdf", ("keyderive",), 256, 5, "1.2.840.113549.1.9.16.3.29"),
    "hkdf-sha512": Algorithm("HKDF-SHA512", "kdf", ("keyderive",), 256, 5, "1.2.840.113549.1.9.16.3.30"),
    "hmac-sha256": Algorithm("HMAC-SHA256", "mac", ("tag",), 256, 5, "1.2.840.113549.2.9"),
    "sha256": Algorithm("SHA-256", "hash", ("digest",), 128, 2, "2.16.840.1.101.3.4.2.1"),
}
# of every room: KEKs and data keys are wrapped, rows and anchors have MACs, checkpoints signatures, the log a tree
BENEATH = ("aes-256-gcm", "ed25519", "hkdf-sha256", "hmac-sha256", "sha256")
WAYS = {"passphrase": ("argon2id",)}
STATES = {
    KeyState.PRE_ACTIVE: "pre-activation",
    KeyState.ACTIVE: "active",
    KeyState.SUSPENDED: "suspended",
    KeyState.DEACTIVATED: "deactivated",
    KeyState.COMPROMISED: "compromised",
    # no state of its own there: it may do no more than one that is deactivated
    KeyState.DESTROY_SCHEDULED: "deactivated",
    KeyState.DESTROYED: "destroyed",
}
