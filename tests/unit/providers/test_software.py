import base64
import json

import pytest
from builds import HAS_ARGON2ID
from strongroom.crypto import AesWrappingKey, Secret
from strongroom.errors import AuthenticationFailed, BadPassphrase, RoomTampered, UnsupportedFormat
from strongroom.providers import SecretKind, make_sealed_root, open_sealed_root

ROOM = "ab" * 16
WORD = (SecretKind.PASSPHRASE, Secret.from_caller(b"correct horse"))
KEY = (SecretKind.KEY_FILE, Secret.random())
KIT = (SecretKind.RECOVERY_KIT, Secret.random())
FIRST = WORD if HAS_ARGON2ID else (SecretKind.KEY_FILE, Secret.random())


@pytest.fixture(scope="module")
def sealed() -> bytes:
    root, content = make_sealed_root(ROOM, [FIRST, KEY, KIT])
    root.close()
    return content


@pytest.mark.parametrize("secret", [FIRST, KEY, KIT])
def test_any_one_secret_opens_the_same_root(sealed: bytes, secret: tuple[SecretKind, Secret]) -> None:
    wrapped = open_sealed_root(sealed, ROOM, [KEY]).wrap_kek(AesWrappingKey.generate(), b"binding")
    root = open_sealed_root(sealed, ROOM, [secret])
    root.unwrap_kek(wrapped, b"binding")
    with pytest.raises(AuthenticationFailed):
        root.unwrap_kek(wrapped, b"another")


def test_a_wrong_secret_is_refused(sealed: bytes) -> None:
    for wrong in ((FIRST[0], Secret.from_caller(b"wrong" * 10)), (SecretKind.KEY_FILE, KIT[1])):
        with pytest.raises(BadPassphrase):
            open_sealed_root(sealed, ROOM, [wrong])


def test_a_secret_is_not_tried_on_entries_of_another_kind(sealed: bytes) -> None:
    with pytest.raises(BadPassphrase):
        open_sealed_root(sealed, ROOM, [(SecretKind.RECOVERY_KIT, KEY[1])])


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
        open_sealed_root(changed(sealed, path, value), ROOM, [KEY])


def test_a_root_of_another_room_is_refused(sealed: bytes) -> None:
    with pytest.raises(RoomTampered, match="another room"):
        open_sealed_root(sealed, "cd" * 16, [KEY])
    with pytest.raises(BadPassphrase):
        open_sealed_root(changed(sealed, ("room",), "cd" * 16), "cd" * 16, [KEY])


def test_newer_formats_and_unbounded_work_are_refused(sealed: bytes) -> None:
    with pytest.raises(UnsupportedFormat, match="format 2"):
        open_sealed_root(changed(sealed, ("format",), 2), ROOM, [KEY])
    forged = {"kdf": "argon2id", "salt": "00" * 16, "memory_kib": 2**31, "passes": 3, "lanes": 4}
    with pytest.raises(UnsupportedFormat, match="work"):
        open_sealed_root(changed(sealed, ("entries", 0, "parameters"), forged), ROOM, [FIRST])
    with pytest.raises(UnsupportedFormat, match="scrypt"):
        open_sealed_root(changed(sealed, ("entries", 1, "parameters", "kdf"), "scrypt"), ROOM, [KEY])


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"format": 1, "entries": [3]}', b'{"format": "1"}'])
def test_what_is_no_root_is_refused(content: bytes) -> None:
    with pytest.raises(RoomTampered):
        open_sealed_root(content, ROOM, [KEY])


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"format": 1, "room": "x", "entries": [], "root_version": 1e400}']
)
def test_depths_and_numbers_beyond_sense_are_refused(content: bytes) -> None:
    with pytest.raises(RoomTampered):
        open_sealed_root(content, ROOM, [KEY])


@pytest.mark.parametrize(("name", "value"), [("memory_kib", float("inf")), ("\ud800", "y"), ("x", "\ud800")])
def test_parameters_that_cannot_be_spelt_are_refused(sealed: bytes, name: str, value: object) -> None:
    with pytest.raises(RoomTampered, match="was changed"):
        open_sealed_root(changed(sealed, ("entries", 0, "parameters", name), value), ROOM, [FIRST])


@pytest.mark.parametrize("salt", ["zz", "", 7])
def test_broken_parameters_are_refused(sealed: bytes, salt: object) -> None:
    with pytest.raises((RoomTampered, BadPassphrase)):
        open_sealed_root(changed(sealed, ("entries", 1, "parameters", "salt"), salt), ROOM, [KEY])


@pytest.mark.argon2id
def test_the_passphrase_costs_what_the_spec_says() -> None:
    root, sealed = make_sealed_root(ROOM, [WORD])
    root.close()
    [entry] = json.loads(sealed)["entries"]
    assert entry["kind"] == "passphrase"
    parameters = {name: entry["parameters"][name] for name in ("kdf", "memory_kib", "passes", "lanes")}
    assert parameters == {"kdf": "argon2id", "memory_kib": 65536, "passes": 3, "lanes": 4}
    assert len(bytes.fromhex(entry["parameters"]["salt"])) == 16
    assert len(base64.b64decode(entry["sealed"])) == 12 + 32 + 16


def changed(content: bytes, path: tuple[str | int, ...], value: object) -> bytes:
    document = json.loads(content)
    place = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return json.dumps(document).encode()
