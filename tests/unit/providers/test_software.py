import base64
import itertools
import json
import math
from collections.abc import Iterable

import pytest
from builds import HAS_ARGON2ID
from strongroom.crypto import AesWrappingKey, Secret
from strongroom.errors import AuthenticationFailed, BadPassphrase, Misuse, RoomTampered, UnsupportedFormat
from strongroom.providers import (
    RootDocument,
    Seal,
    SecretKind,
    SoftwareRoot,
    make_sealed_root,
    open_sealed_root,
)

ROOM = "ab" * 16
WORD = (SecretKind.PASSPHRASE, Secret.from_caller(b"correct horse"))
KEY = (SecretKind.KEY_FILE, Secret.random())
KIT = (SecretKind.RECOVERY_KIT, Secret.random())
FIRST = WORD if HAS_ARGON2ID else (SecretKind.KEY_FILE, Secret.random())


@pytest.fixture(scope="module")
def sealed() -> bytes:
    return made(FIRST, KEY, KIT)


def made(*secrets: tuple[SecretKind, Secret]) -> bytes:
    """The content of root.json that any of these opens."""
    root, sealed = make_sealed_root(ROOM, [Seal(kind, (secret,)) for kind, secret in secrets])
    root.close()
    return RootDocument(sealed).content()


def opened(content: bytes, room: str, secrets: list[tuple[SecretKind, Secret]]) -> SoftwareRoot:
    return open_sealed_root(RootDocument.parse(content, room).current, secrets)


@pytest.mark.parametrize("secret", [FIRST, KEY, KIT])
def test_any_one_secret_opens_the_same_root(sealed: bytes, secret: tuple[SecretKind, Secret]) -> None:
    wrapped = opened(sealed, ROOM, [KEY]).wrap_kek(AesWrappingKey.generate(), b"binding")
    root = opened(sealed, ROOM, [secret])
    root.unwrap_kek(wrapped, b"binding")
    with pytest.raises(AuthenticationFailed):
        root.unwrap_kek(wrapped, b"another")


def test_a_wrong_secret_is_refused(sealed: bytes) -> None:
    for wrong in ((FIRST[0], Secret.from_caller(b"wrong" * 10)), (SecretKind.KEY_FILE, KIT[1])):
        with pytest.raises(BadPassphrase):
            opened(sealed, ROOM, [wrong])


def test_a_secret_is_not_tried_on_entries_of_another_kind(sealed: bytes) -> None:
    with pytest.raises(BadPassphrase):
        opened(sealed, ROOM, [(SecretKind.RECOVERY_KIT, KEY[1])])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("root_version",), 2),
        (("entries", 1, "parameters", "salt"), "00" * 16),
        (("entries", 1, "parameters", "x"), "y"),
    ],
)
def test_changed_parameters_do_not_open(sealed: bytes, path: tuple[str | int, ...], value: object) -> None:
    with pytest.raises(BadPassphrase):
        opened(changed(sealed, path, value), ROOM, [KEY])


def test_a_root_of_another_room_is_refused(sealed: bytes) -> None:
    with pytest.raises(RoomTampered, match="another room"):
        opened(sealed, "cd" * 16, [KEY])
    with pytest.raises(BadPassphrase):
        opened(changed(sealed, ("room",), "cd" * 16), "cd" * 16, [KEY])


def test_newer_formats_and_unbounded_work_are_refused(sealed: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="format 3"):
        opened(changed(sealed, ("format",), 3), ROOM, [KEY])
    forged = {"kdf": "argon2id", "salt": "00" * 16, "memory_kib": 2**31, "passes": 3, "lanes": 4}
    with pytest.raises(UnsupportedFormat, match="work"):
        opened(changed(sealed, ("entries", 0, "parameters"), forged), ROOM, [FIRST])
    with pytest.raises(UnsupportedFormat, match="scrypt"):
        opened(changed(sealed, ("entries", 1, "parameters", "kdf"), "scrypt"), ROOM, [KEY])


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"format": 1, "entries": [3]}', b'{"format": "1"}'])
def test_what_is_no_root_is_refused(content: bytes) -> None:
    with pytest.raises(RoomTampered):
        opened(content, ROOM, [KEY])


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"format": 1, "room": "x", "entries": [], "root_version": 1e400}']
)
def test_depths_and_numbers_beyond_sense_are_refused(content: bytes) -> None:
    with pytest.raises(RoomTampered):
        opened(content, ROOM, [KEY])


@pytest.mark.parametrize(("name", "value"), [("memory_kib", float("inf")), ("\ud800", "y"), ("x", "\ud800")])
def test_parameters_that_cannot_be_spelt_are_refused(sealed: bytes, name: str, value: object) -> None:
    with pytest.raises(RoomTampered, match="was changed"):
        opened(changed(sealed, ("entries", 0, "parameters", name), value), ROOM, [FIRST])


def test_parameters_are_whole_numbers_and_text(sealed: bytes) -> None:
    with pytest.raises(RoomTampered, match="was changed"):
        opened(changed(sealed, ("entries", 1, "parameters", "x"), 1.5), ROOM, [KEY])


@pytest.mark.parametrize("salt", ["zz", "", 7])
def test_broken_parameters_are_refused(sealed: bytes, salt: object) -> None:
    with pytest.raises((RoomTampered, BadPassphrase)):
        opened(changed(sealed, ("entries", 1, "parameters", "salt"), salt), ROOM, [KEY])


@pytest.mark.argon2id
def test_the_passphrase_costs_what_the_spec_says() -> None:
    [entry] = json.loads(made(WORD))["entries"]
    assert entry["kind"] == "passphrase"
    parameters = {name: entry["parameters"][name] for name in ("kdf", "memory_kib", "passes", "lanes")}
    assert parameters == {"kdf": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 4}
    assert len(bytes.fromhex(entry["parameters"]["salt"])) == 16
    assert len(base64.b64decode(entry["sealed"])) == 12 + 32 + 16


def test_two_roots_stand_side_by_side_while_one_takes_the_place_of_the_other() -> None:
    (first, old), (second, new) = (
        make_sealed_root(ROOM, [Seal(*one(KEY))]),
        make_sealed_root(ROOM, [Seal(*one(KIT))], 2),
    )
    first.close()
    second.close()
    document = RootDocument.parse(RootDocument(old, new).content(), ROOM)
    assert json.loads(document.content())["format"] == 2
    assert open_sealed_root(document.at(1), [KEY]).version == 1
    assert open_sealed_root(document.at(2), [KIT]).version == 2
    with pytest.raises(BadPassphrase):
        open_sealed_root(document.at(2), [KEY])
    with pytest.raises(RoomTampered, match="version 3"):
        document.at(3)
    swapped = changed(changed(document.content(), ("root_version",), 2), ("next", "root_version"), 1)
    for version, secret in ((1, KIT), (2, KEY)):
        with pytest.raises(BadPassphrase):
            open_sealed_root(RootDocument.parse(swapped, ROOM).at(version), [secret])


@pytest.mark.parametrize(("threshold", "count"), [(3, 5), (2, 2), (4, 8)])
def test_every_set_of_enough_shares_opens_and_no_smaller_one(threshold: int, count: int) -> None:
    shares = [Secret.random() for _ in range(count)]
    root, sealed = make_sealed_root(ROOM, [Seal(SecretKind.SHARE, tuple(shares), threshold=threshold)])
    wrapped = root.wrap_kek(AesWrappingKey.generate(), b"binding")
    root.close()
    assert len(sealed.entries) == math.comb(count, threshold)
    enough = list(itertools.combinations(shares, threshold))
    assert len(enough) == math.comb(count, threshold)
    for chosen in enough:
        found = open_sealed_root(sealed, as_shares(reversed(chosen)))
        found.unwrap_kek(wrapped, b"binding")
    for chosen in itertools.combinations(shares, threshold - 1):
        with pytest.raises(BadPassphrase, match="takes"):
            open_sealed_root(sealed, as_shares(chosen))
        with pytest.raises(BadPassphrase, match="one kit"):
            open_sealed_root(sealed, as_shares([*chosen, Secret.random()]))
        with pytest.raises(BadPassphrase):
            open_sealed_root(sealed, as_shares([*chosen, chosen[0]]))
    open_sealed_root(sealed, as_shares([Secret.random(), *shares[:threshold]]))


@pytest.mark.parametrize(("threshold", "count"), [(1, 3), (4, 3), (2, 9), (0, 0)])
def test_what_is_no_quorum_is_refused(threshold: int, count: int) -> None:
    with pytest.raises(Misuse, match="no quorum"):
        Seal(SecretKind.SHARE, tuple(Secret.random() for _ in range(count)), threshold=threshold)


@pytest.mark.parametrize(("name", "value"), [("threshold", 2), ("shares", 6), ("kit", "00" * 4), ("threshold", 99)])
def test_a_changed_quorum_does_not_open(name: str, value: object) -> None:
    shares = [Secret.random() for _ in range(5)]
    root, sealed = make_sealed_root(ROOM, [Seal(SecretKind.SHARE, tuple(shares), threshold=3)])
    root.close()
    content = RootDocument(sealed).content()
    for at in range(len(sealed.entries)):
        content = changed(content, ("entries", at, "parameters", name), value)
    with pytest.raises((BadPassphrase, RoomTampered)):
        opened(content, ROOM, as_shares(shares))


def test_a_label_is_authenticated_and_short() -> None:
    root, sealed = make_sealed_root(ROOM, [Seal(*one(KEY), label="Ada's laptop")])
    root.close()
    assert sealed.ways()[0].label == "Ada's laptop"
    content = changed(RootDocument(sealed).content(), ("entries", 0, "parameters", "label"), "Bob's laptop")
    with pytest.raises(BadPassphrase):
        opened(content, ROOM, [KEY])
    for label in ("x" * 65, "a\nb"):
        with pytest.raises(Misuse, match="label"):
            Seal(*one(KEY), label=label)


def one(secret: tuple[SecretKind, Secret]) -> tuple[SecretKind, tuple[Secret]]:
    return secret[0], (secret[1],)


def as_shares(secrets: Iterable[Secret]) -> list[tuple[SecretKind, Secret]]:
    return [(SecretKind.SHARE, secret) for secret in secrets]


def changed(content: bytes, path: tuple[str | int, ...], value: object) -> bytes:
    document = json.loads(content)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document).encode()
