"""A root key sealed into the entries of `root.json`, one for each way to open it. Specified in docs/spec/room.md.

A passphrase goes through Argon2id with the parameters of RFC 9106's second recommended option; a key file, a recovery kit
and the shares of a quorum are random already and go through HKDF, which costs nothing. A token wraps the root by a key of its own.

A quorum, k of n shares, is an entry for each set of k shares, sealed by all of them together: whoever has fewer lacks 256
random bits. So no secret sharing is needed that somebody would have to get right.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from itertools import combinations
from secrets import token_bytes
from typing import TYPE_CHECKING

from strongroom.crypto import Kdf, RootKey, Secret
from strongroom.errors import AuthenticationFailed, Misuse, RoomTampered, UnsupportedFormat
from strongroom.files import NOT_OURS
from strongroom.keys import root_binding
from strongroom.model import Way

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence


class SecretKind(StrEnum):
    """What opens an entry. A secret is tried on the entries of its own kind only; shares, on those of a quorum.

    A token has no secret that we would hold: it unwraps by itself.
    """

    PASSPHRASE = "passphrase"  # noqa: S105 - the name of a kind
    KEY_FILE = "key-file"
    RECOVERY_KIT = "recovery-kit"
    SHARE = "share"
    TOKEN = "pkcs11"  # noqa: S105 - the name of a kind


@dataclass(frozen=True, slots=True, eq=False)
class Seal:
    """What a way into the room is to be made of.

    One secret, all the shares of a quorum that `threshold` of open, or the key that the URI `token` names in full.
    """

    kind: SecretKind
    secrets: tuple[Secret, ...]
    label: str = ""
    threshold: int = 1
    token: str = ""

    def __post_init__(self) -> None:
        if self.kind is SecretKind.SHARE:
            check_quorum(self.threshold, len(self.secrets))
        if len(self.label) > LONGEST_LABEL or not self.label.isprintable():
            raise Misuse(f"a label has at most {LONGEST_LABEL} characters, all of them printable")
        if any(len(secret) == 0 for secret in self.secrets):
            raise Misuse("an empty passphrase or key file protects nothing")


@dataclass(frozen=True, slots=True)
class Entry:
    """The root, sealed once: a way in, or one set of shares that is enough for a quorum."""

    kind: str
    parameters: Mapping[str, int | str]
    sealed: bytes

    @property
    def way(self) -> str:
        """The id of the way that this entry belongs to: the kit's of a quorum, else the first digits of the salt."""
        return str(self.parameters.get("kit") or self.parameters.get("salt"))[:WAY_ID_LENGTH]

    def derivation(self) -> Kdf:
        """How the sealing key comes from a secret. Raises RoomTampered and UnsupportedFormat."""
        try:
            name, salt = self.parameters["kdf"], bytes.fromhex(str(self.parameters["salt"]))
            cost = tuple(int(self.parameters[part]) for part in ARGON2_COST) if name == "argon2id" else ()
        except NOT_OURS as error:
            raise self.changed() from error
        match name:
            case "argon2id":
                return argon2id(salt, *cost)
            case "hkdf-sha256":
                return Kdf.hkdf_sha256(salt)
            case unknown:
                raise UnsupportedFormat(f"root.json names a key derivation that is not known: {unknown!r}")

    def binding(self, room_id: str, version: int) -> bytes:
        """What the sealed root is bound to. Raises RoomTampered."""
        if not all(isinstance(value, int | str) for value in self.parameters.values()):
            raise self.changed()
        try:
            return root_binding(room_id, version, self.kind, self.parameters)
        except NOT_OURS as error:
            raise self.changed() from error

    def changed(self) -> RoomTampered:
        """The error for an entry that nobody here has written."""
        return RoomTampered(f"root.json: the entry {self.kind!r} was changed: put back a copy of the file")

    def to_json(self) -> dict[str, object]:
        """The entry as it stands in `root.json`."""
        return {
            "kind": self.kind,
            "parameters": dict(self.parameters),
            "sealed": base64.b64encode(self.sealed).decode("ascii"),
        }


@dataclass(frozen=True, slots=True)
class SealedRoot:
    """One version of a room's root key, with every way to open it."""

    room_id: str
    version: int
    entries: tuple[Entry, ...]

    def open(self, secrets: Sequence[tuple[SecretKind, Secret]]) -> tuple[RootKey, Entry] | None:
        """The root and the entry that the first fitting secret opened, None if none fits."""
        for kind, secret in candidates(secrets, self.entries):
            for entry in self.entries:
                if entry.kind != kind:
                    continue
                try:
                    key = RootKey.unseal(
                        entry.sealed, secret, entry.derivation(), entry.binding(self.room_id, self.version)
                    )
                except AuthenticationFailed:
                    continue
                return key, entry
        return None

    def with_way(self, key: RootKey, seal: Seal) -> SealedRoot:
        """The same with another way in, which was tried. `key` is this root."""
        added = tuple(sealed_entries(key, self.room_id, self.version, seal))
        if seal.kind is SecretKind.TOKEN:
            # the token has shown that it unwraps what it wrapped
            return replace(self, entries=self.entries + added)
        probe = replace(self, entries=added)
        found = probe.open([(seal.kind, secret) for secret in seal.secrets[: seal.threshold]])
        if found is None:
            raise Misuse("the new way does not open the room; nothing was changed")
        found[0].close()
        return replace(self, entries=self.entries + added)

    def without(self, ways: Iterable[str]) -> SealedRoot:
        """The same without these ways."""
        gone = set(ways)
        return replace(self, entries=tuple(entry for entry in self.entries if entry.way not in gone))

    def ways(self) -> tuple[Way, ...]:
        """What opens it, in the order of the file."""
        first = {entry.way: entry for entry in reversed(self.entries)}
        return tuple(to_way(first[way]) for way in dict.fromkeys(entry.way for entry in self.entries))

    def to_json(self) -> dict[str, object]:
        """Version and entries as they stand in `root.json`."""
        return {"root_version": self.version, "entries": [entry.to_json() for entry in self.entries]}


def candidates(secrets: Sequence[tuple[SecretKind, Secret]], entries: Iterable[Entry]) -> Iterator[tuple[str, Secret]]:
    """The secrets to try, each with the kind of its entries; of shares, every set that could be enough."""
    yield from ((str(kind), secret) for kind, secret in secrets if kind is not SecretKind.SHARE)
    shares = [secret for kind, secret in secrets if kind is SecretKind.SHARE][:MOST_SHARES]
    for threshold in sorted({quorum[0] for entry in entries if (quorum := quorum_of(entry))}):
        for chosen in combinations(shares, threshold):
            joined = Secret.joined(chosen)
            try:
                yield QUORUM, joined
            finally:
                joined.close()


def sealed_entries(key: RootKey, room_id: str, version: int, seal: Seal) -> Iterator[Entry]:
    """`key` sealed for a new way: once, or for a quorum once for each set of shares that is enough."""
    about: dict[str, int | str] = {"added": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}
    if seal.label:
        about["label"] = seal.label
    if seal.kind is SecretKind.TOKEN:
        yield token_entry(key, room_id, version, about, seal.token)
        return
    if seal.kind is not SecretKind.SHARE:
        yield sealed_entry(key, room_id, version, str(seal.kind), about | DERIVATIONS[seal.kind], seal.secrets[0])
        return
    about |= {"kit": token_bytes(WAY_ID_LENGTH // 2).hex(), "threshold": seal.threshold, "shares": len(seal.secrets)}
    for chosen in combinations(seal.secrets, seal.threshold):
        joined = Secret.joined(chosen)
        try:
            yield sealed_entry(key, room_id, version, QUORUM, about | DERIVATIONS[seal.kind], joined)
        finally:
            joined.close()


def sealed_entry(
    key: RootKey, room_id: str, version: int, kind: str, parameters: dict[str, int | str], secret: Secret
) -> Entry:
    """`key` sealed under `secret`, with a fresh salt."""
    parameters = {"salt": token_bytes(SALT_LENGTH).hex(), **parameters}
    entry = Entry(kind, parameters, b"")
    sealed = key.seal(secret, entry.derivation(), root_binding(room_id, version, kind, parameters))
    return Entry(kind, parameters, sealed)


def token_entry(key: RootKey, room_id: str, version: int, about: dict[str, int | str], uri: str) -> Entry:
    """`key` wrapped by a key in a token."""
    from strongroom.providers.pkcs11 import KIND, TokenUri, wrapped_root

    parameters, wrapped = wrapped_root(key, room_id, version, about, TokenUri.parse(uri))
    return Entry(KIND, parameters, wrapped)


def to_way(entry: Entry) -> Way:
    """An entry as something that can be named and removed."""
    try:
        added = datetime.fromisoformat(str(entry.parameters["added"])) if "added" in entry.parameters else None
    except NOT_OURS as error:
        raise entry.changed() from error
    label = str(entry.parameters.get("label", "")) or None
    token = str(entry.parameters["uri"]) if entry.kind == SecretKind.TOKEN and "uri" in entry.parameters else None
    return Way(id=entry.way, kind=entry.kind, label=label, added=added, quorum=quorum_of(entry), token=token)


def quorum_of(entry: Entry) -> tuple[int, int] | None:
    """How many of how many shares an entry wants, None if it is no quorum's. Raises RoomTampered."""
    if entry.kind != QUORUM:
        return None
    try:
        quorum = int(entry.parameters["threshold"]), int(entry.parameters["shares"])
        check_quorum(*quorum)
    except (*NOT_OURS, Misuse) as error:
        raise entry.changed() from error
    return quorum


def check_quorum(threshold: int, shares: int) -> None:
    """Raises Misuse unless `threshold` of `shares` is a quorum that can be made."""
    if not 2 <= threshold <= shares <= MOST_SHARES:
        raise Misuse(f"{threshold} of {shares} is no quorum: take 2 to {MOST_SHARES} shares, and 2 or more to open")


def argon2id(salt: bytes, memory_kib: int, passes: int, lanes: int) -> Kdf:
    """Argon2id at a cost that a file asks for: not authenticated yet, so a forged one must not exhaust memory or time."""
    if memory_kib > MAX_MEMORY_KIB or passes > MAX_PASSES or lanes > MAX_LANES:
        raise UnsupportedFormat("root.json asks for more Argon2id work than is accepted")
    if lanes < 1 or passes < 1 or memory_kib < 8 * lanes or len(salt) < SALT_LENGTH:
        raise RoomTampered("root.json asks for less Argon2id work than there is: put back a copy of the file")
    return Kdf.argon2id(salt, memory_kib=memory_kib, passes=passes, lanes=lanes)


QUORUM = "quorum"
SALT_LENGTH = 16
WAY_ID_LENGTH = 8
LONGEST_LABEL = 64
# at most 70 entries, for 4 of 8
MOST_SHARES = 8
ARGON2_COST = ("memory_kib", "passes", "lanes")
MAX_MEMORY_KIB = 4 * 1024 * 1024
MAX_PASSES = 64
MAX_LANES = 64
DERIVATIONS: dict[SecretKind, dict[str, int | str]] = {
    SecretKind.PASSPHRASE: {"kdf": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 4},
    SecretKind.KEY_FILE: {"kdf": "hkdf-sha256"},
    SecretKind.RECOVERY_KIT: {"kdf": "hkdf-sha256"},
    SecretKind.SHARE: {"kdf": "hkdf-sha256"},
}
