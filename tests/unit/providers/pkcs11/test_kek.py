"""Classes whose KEKs are in a token, or behind one, on SoftHSM (AES-GCM) and opencryptoki (AES-CBC and HMAC)."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rooms import CONTEXT, REQUEST, MadeRoom, make_room
from strongroom.client.room import Room
from strongroom.crypto import Edk
from strongroom.errors import (
    AuthenticationFailed,
    KeyNotFound,
    LimitExceeded,
    Misuse,
    ProviderUnavailable,
    RoomLocked,
)
from strongroom.home import NewWay, Unlock
from strongroom.home.auditing import reconcile
from strongroom.home.keks import survey_keks
from strongroom.keys import TokenKek
from strongroom.keyservice import draft
from strongroom.providers.pkcs11 import TokenUri, connected, destroy_kek, make_kek, token_alone
from strongroom.recovery import create_backup, restore_backup, verify_backup
from tokens import Proxy, SoftHsm, Token, imported, make_token_room, unique

PII = CONTEXT | {"strongroom-class": "pii"}


def place_of(token: Token, module: str | None = None) -> str:
    """The URI of the token alone."""
    return token_alone(token.uri("none", module))


def keys_in(token: Token) -> int:
    """How many KEKs of rooms are in it."""
    from pkcs11 import Attribute, KeyType, ObjectClass

    named = TokenUri.parse(place_of(token))
    with connected(named) as connection, connection._sessions.library() as session:
        wanted = {Attribute.CLASS: ObjectClass.SECRET_KEY, Attribute.KEY_TYPE: KeyType.AES}
        look = session.ask("C_FindObjects", lambda it: [key.label for key in it.get_objects(wanted)])
        return sum(label.startswith("strongroom/") for label in look)


@pytest.fixture
def opened(room: MadeRoom) -> Iterator[Room]:
    with Room(room.home, Unlock(key_file=room.key_file)) as found:
        yield found


@pytest.fixture
def clean(token: Token, opened: Room) -> Iterator[Token]:
    """Without what a test has left in a token that outlives it."""
    yield token
    for key in opened.keys.list():
        for version in key.versions:
            if version.token is not None:
                uri = TokenUri.parse(version.token)
                with connected(uri) as connection:
                    connection.destroy(uri)


def test_a_data_key_is_wrapped_in_the_token_and_comes_back(
    clean: Token, opened: Room, request: pytest.FixtureRequest
) -> None:
    opened.classes.create("pii", level="hsm", token=place_of(clean))
    service = opened._service
    made = service.generate_dek(REQUEST, "pii", PII)
    assert service.unwrap_dek(REQUEST, [made.edk], PII).data_key == made.data_key
    soft = request.node.callspec.params["token"] == "softhsm"
    assert made.edk.provider_id == ("strongroom" if soft else "strongroom-aes-cbc-hmac-sha256")
    for changed in (PII | {"tenant": "other"}, CONTEXT):
        with pytest.raises(AuthenticationFailed):
            service.unwrap_dek(REQUEST, [made.edk], changed)
    altered = Edk(made.edk.provider_id, made.edk.provider_info, made.edk.ciphertext[:-1] + b"\0")
    if altered != made.edk:
        with pytest.raises(AuthenticationFailed):
            service.unwrap_dek(REQUEST, [altered], PII)
    # and it was not the token that failed
    assert service.unwrap_dek(REQUEST, [made.edk], PII).data_key == made.data_key


def test_data_goes_into_the_token_and_out_of_it(clean: Token, opened: Room, tmp_path: Path) -> None:
    before = opened.encrypt(b"before")
    (tmp_path / "file").write_bytes(b"in a file")
    opened.encrypt_file(tmp_path / "file", tmp_path / "file.sr")
    opened.classes.set("default", level="hsm", token=place_of(clean), reason="to the HSM")
    (key,) = opened.keys.list()
    assert [version.token is None for version in key.versions] == [True, False]
    assert (key.primary, key.versions[1].root_version) == (2, 0)
    assert opened.decrypt(before) == b"before"
    assert opened.reencrypt(tmp_path / "file.sr").moved == 1
    assert opened.inspect(tmp_path / "file.sr").key_version == 2
    (counted,) = opened.census([tmp_path / "file.sr"])
    assert [count.version for count in counted.counts] == [2]
    opened.decrypt_file(tmp_path / "file.sr", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"in a file"
    opened.classes.set("default", level="software", reason="and back")
    assert opened.reencrypt(tmp_path / "file.sr").moved == 1
    opened.decrypt_file(tmp_path / "file.sr", tmp_path / "again")
    assert opened.inspect(tmp_path / "file.sr").key_version == 3
    assert reconcile(opened._home, opened._unlock).wrong == ()


def test_the_same_token_at_another_place_is_no_other_token(opened: Room, soft_token: Token, tmp_path: Path) -> None:
    opened.classes.create("pii", level="hsm", token=place_of(soft_token))
    message = opened.encrypt(b"x", data_class="pii")
    moved = tmp_path / "pin"
    shutil.copy(soft_token.pin_file, moved)
    opened.classes.set("pii", token=place_of(replace(soft_token, pin_file=moved)), reason="the PIN file moved")
    (key,) = [key for key in opened.keys.list() if key.data_class == "pii"]
    assert len(key.versions) == 1
    soft_token.pin_file.unlink()
    with Room(opened._home, opened._unlock) as again:
        assert again.decrypt(message) == b"x"
    # one that was open before goes to the new place as well
    service = opened._service
    made = service.generate_dek(REQUEST, "pii", PII)
    assert service.unwrap_dek(REQUEST, [made.edk], PII).data_key == made.data_key


def test_another_token_makes_a_new_version(opened: Room, softhsm: SoftHsm) -> None:
    first, second = softhsm.new_token(unique("one")), softhsm.new_token(unique("two"))
    opened.classes.create("pii", level="hsm", token=place_of(first))
    message = opened.encrypt(b"x", data_class="pii")
    opened.classes.set("pii", token=place_of(second), reason="a new HSM")
    assert (keys_in(first), keys_in(second)) == (1, 1)
    assert opened.decrypt(message) == b"x"


def test_rotation_and_destruction_reach_the_token(
    soft_token: Token, opened: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = opened.classes.create("pii", level="hsm", token=place_of(soft_token), destroy_wait=86_400)
    opened.keys.rotate(made.key_id, reason="yearly")
    opened.keys.rotate(made.key_id, activate_at=now() + timedelta(days=9), reason="next year's")
    assert keys_in(soft_token) == 3
    opened.keys.destroy(made.key_id, 3, reason="not needed")
    assert keys_in(soft_token) == 2
    opened.keys.compromise(made.key_id, 1, reason="a leak")
    opened.census([opened._home])
    opened.keys.destroy(made.key_id, 1, reason="a leak")
    monkeypatch.setattr("strongroom.keyservice.desk.utc_now", lambda: now() + timedelta(days=2))
    opened.census([opened._home])
    (done,) = [task for task in opened.keys.do_due(rotate=False) if task.version == 1]
    assert (str(done.task), keys_in(soft_token)) == ("destroy", 1)
    # what somebody else has destroyed already is gone as well
    assert opened.keys.show(made.key_id).versions[0].token is None


def test_nothing_is_destroyed_in_the_keystore_while_the_token_is_away(
    soft_token: Token, softhsm: SoftHsm, opened: Room
) -> None:
    made = opened.classes.create("pii", level="hsm", token=place_of(soft_token))
    opened.keys.rotate(made.key_id, activate_at=now() + timedelta(days=9), reason="next year's")
    gone = softhsm.directory / "gone"
    softhsm.tokens.rename(gone)
    try:
        with pytest.raises(ProviderUnavailable):
            opened.keys.destroy(made.key_id, 2, reason="not needed")
    finally:
        gone.rename(softhsm.tokens)
    assert opened.keys.show(made.key_id).versions[1].state == "PRE_ACTIVE"
    opened.keys.destroy(made.key_id, 2, reason="not needed")
    assert keys_in(soft_token) == 1


def test_a_change_that_comes_to_nothing_leaves_no_key_in_the_token(soft_token: Token, opened: Room) -> None:
    opened.classes.create("pii", level="hsm", token=place_of(soft_token))
    (key,) = [key for key in opened.keys.list() if key.data_class == "pii"]
    with pytest.raises(Misuse, match="already"):
        opened.classes.create("pii", level="hsm", token=place_of(soft_token))

    def fail(*_: object) -> None:
        raise OSError(28, "no space")

    with pytest.MonkeyPatch.context() as broken:
        broken.setattr("strongroom.keystore.store.seal", fail)
        with pytest.raises(OSError, match="no space"):
            opened.keys.rotate(key.id, reason="yearly")
    assert keys_in(soft_token) == 1
    opened.keys.rotate(key.id, reason="yearly")
    assert keys_in(soft_token) == 2


def test_a_token_that_is_away_stops_the_class_and_no_other(softhsm: SoftHsm, soft_token: Token, room: MadeRoom) -> None:
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        opened.classes.create("pii", level="hsm", token=place_of(soft_token))
        message = opened.encrypt(b"x", data_class="pii")
    gone = softhsm.directory / "gone"
    softhsm.tokens.rename(gone)
    try:
        with Room(room.home, Unlock(key_file=room.key_file)) as opened:
            for use in (lambda: opened.decrypt(message), lambda: opened.encrypt(b"y", data_class="pii")):
                with pytest.raises(ProviderUnavailable):
                    use()
            assert opened.decrypt(opened.encrypt(b"z")) == b"z"
            gone.rename(softhsm.tokens)
            assert opened.decrypt(message) == b"x"
    finally:
        if gone.exists():
            gone.rename(softhsm.tokens)


def test_the_cache_hides_the_token_and_no_cache_asks_it_each_time(
    proxy: Proxy, soft_token: Token, room: MadeRoom
) -> None:
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        opened.classes.create("pii", level="hsm", token=place_of(soft_token, proxy.module))
        seen = proxy.calls("C_Encrypt"), proxy.calls("C_Decrypt")
        messages = [opened.encrypt(b"x", data_class="pii") for _ in range(300)]
        assert [opened.decrypt(message) for message in messages] == [b"x"] * 300
        assert (proxy.calls("C_Encrypt") - seen[0], proxy.calls("C_Decrypt") - seen[1]) == (1, 1)
    with Room(room.home, Unlock(key_file=room.key_file), cache=False) as opened:
        seen = proxy.calls("C_Encrypt"), proxy.calls("C_Decrypt")
        messages = [opened.encrypt(b"x", data_class="pii") for _ in range(10)]
        messages += opened.encrypt_many([b"x"] * 10, data_class="pii")
        assert [opened.decrypt(message) for message in messages[:10]] == [b"x"] * 10
        assert opened.decrypt_many(messages[10:]) == [b"x"] * 10
        assert (proxy.calls("C_Encrypt") - seen[0], proxy.calls("C_Decrypt") - seen[1]) == (20, 20)


def test_without_a_cache_each_file_of_a_tree_has_its_data_key(
    proxy: Proxy, soft_token: Token, room: MadeRoom, tmp_path: Path
) -> None:
    (tmp_path / "tree").mkdir()
    for number in range(7):
        (tmp_path / "tree" / str(number)).write_bytes(b"x")
    with Room(room.home, Unlock(key_file=room.key_file), cache=False) as opened:
        opened.classes.create("pii", level="hsm", token=place_of(soft_token, proxy.module))
        seen = proxy.calls("C_Encrypt")
        opened.encrypt_tree(tmp_path / "tree", tmp_path / "tree.enc", data_class="pii")
        assert proxy.calls("C_Encrypt") - seen >= 7
        opened.decrypt_tree(tmp_path / "tree.enc", tmp_path / "back")
    wrapped = {opened.inspect(path).message_id for path in (tmp_path / "tree.enc").glob("*.sr")}
    assert len(wrapped) == 7
    assert {path.read_bytes() for path in (tmp_path / "back").iterdir()} == {b"x"}


def test_many_threads_use_a_token_at_once(clean: Token, opened: Room) -> None:
    opened.classes.create("pii", level="hsm", token=place_of(clean))
    service, wrong = opened._service, []

    def work() -> None:
        for _ in range(5):
            made = service.generate_dek(REQUEST, "pii", PII)
            if service.unwrap_dek(REQUEST, [made.edk], PII).data_key != made.data_key:
                wrong.append(made)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_key_that_was_brought_becomes_a_kek(soft_token: Token, opened: Room, tmp_path: Path) -> None:
    made = opened.classes.create("pii", level="hsm", token=place_of(soft_token))
    uri = imported(soft_token, tmp_path, os.urandom(32), "brought")
    key = opened.keys.rotate(made.key_id, kek=uri, reason="our own")
    assert "object=brought" in str(key.versions[1].token)
    assert opened.decrypt(opened.encrypt(b"x", data_class="pii")) == b"x"
    for kek, error, words in (
        (uri, Misuse, "already"),
        (soft_token.uri("nothing"), KeyNotFound, "nothing"),
        (place_of(soft_token), Misuse, "names no key"),
    ):
        with pytest.raises(error, match=words):
            opened.keys.rotate(made.key_id, kek=kek, reason="another")
    (other,) = [key for key in opened.keys.list() if key.data_class == "default"]
    with pytest.raises(Misuse, match="in no token"):
        opened.keys.rotate(other.id, kek=uri, reason="another")
    # what was refused is left where it was
    assert opened.keys.show(made.key_id).primary == 2
    assert opened.decrypt(opened.encrypt(b"x", data_class="pii")) == b"x"


def test_a_key_of_another_token_is_refused(softhsm: SoftHsm, opened: Room, tmp_path: Path) -> None:
    first, second = softhsm.new_token(unique("one")), softhsm.new_token(unique("two"))
    made = opened.classes.create("pii", level="hsm", token=place_of(first))
    with pytest.raises(Misuse, match="another token"):
        opened.keys.rotate(made.key_id, kek=imported(second, tmp_path, os.urandom(32), "brought"), reason="our own")


def test_what_a_class_of_level_hsm_may_not_be(soft_token: Token, opened: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    place = place_of(soft_token)
    for settings, words in (
        ({"level": "hsm"}, "say which token"),
        ({"level": "hsm", "token": soft_token.uri("key")}, "names a key"),
        ({"level": "hsm", "token": place, "open": True, "scope_keys": ("tenant",)}, "register scopes"),
        ({"level": "software", "token": place}, "only a class of level hsm"),
        ({"level": "vault"}, "is no level"),
        ({"level": "hsm-root"}, "no token has opened this room"),
    ):
        with pytest.raises(Misuse, match=words):
            opened.classes.create("pii", **settings)  # type: ignore[arg-type] # one of each
    with pytest.raises(KeyNotFound):
        opened.classes.show("pii")
    assert keys_in(soft_token) == 0
    monkeypatch.setattr(draft, "MOST_IN_TOKEN", 2)
    opened.classes.create("pii", level="hsm", token=place, scope_keys=("tenant",))
    for tenant in ("a", "b"):
        opened.scopes.register("pii", {"tenant": tenant})
    with pytest.raises(LimitExceeded):
        opened.scopes.register("pii", {"tenant": "c"})
    assert keys_in(soft_token) == 2


def test_a_prepared_version_is_made_anew_in_the_token(soft_token: Token, opened: Room) -> None:
    (key,) = opened.keys.list()
    opened.keys.rotate(key.id, activate_at=now() + timedelta(days=9), reason="next year's")
    opened.classes.set("default", level="hsm", token=place_of(soft_token), reason="to the HSM")
    found = opened.keys.show(key.id)
    states = [(str(version.state), version.token is not None) for version in found.versions]
    assert states == [("ACTIVE", False), ("DESTROYED", False), ("ACTIVE", True), ("PRE_ACTIVE", True)]
    assert found.primary == 3


def test_the_token_that_opens_the_room_is_the_default(token: Token, state: Path, tmp_path: Path) -> None:
    made = make_token_room(tmp_path, token.uri(unique("root")))
    with Room(made.home) as opened:
        opened.classes.create("pii", level="hsm")
        assert opened.decrypt(opened.encrypt(b"x", data_class="pii")) == b"x"
        opened.root.rotate(reason="yearly")
        assert opened.decrypt(opened.encrypt(b"x", data_class="pii")) == b"x"
        for key in opened.keys.list():
            for version in key.versions:
                if version.token is not None:
                    uri = TokenUri.parse(version.token)
                    with connected(uri) as connection:
                        connection.destroy(uri)
        # with its KEK destroyed by other hands, nothing is made in its place
        with pytest.raises(KeyNotFound):
            opened._service.generate_dek(REQUEST, "pii", PII)


def test_a_class_behind_a_token_is_used_only_through_one(soft_token: Token, state: Path, tmp_path: Path) -> None:
    made = make_token_room(tmp_path, soft_token.uri("root"))
    with Room(made.home) as opened:
        opened.ways.add(NewWay(make_key_file=tmp_path / "key"), reason="for the others")
        opened.classes.create("pii", level="hsm-root")
        message, other = opened.encrypt(b"x", data_class="pii"), opened.encrypt(b"y")
        assert opened.decrypt(message) == b"x"
    with Room(made.home, Unlock(key_file=tmp_path / "key")) as opened:
        assert opened.decrypt(other) == b"y"
        with pytest.raises(RoomLocked, match="token"):
            opened.decrypt(message)
        with pytest.raises(RoomLocked, match="token"):
            opened.encrypt(b"x", data_class="pii")
    with Room(made.home) as opened:
        before = len(opened.keys.list()[1].versions)
        opened.classes.set("pii", level="software", reason="not so secret")
        assert len(opened.keys.list()[1].versions) == before + 1


def test_a_backup_holds_where_keks_are_and_restores(soft_token: Token, room: MadeRoom, tmp_path: Path) -> None:
    with Room(room.home, Unlock(key_file=room.key_file)) as opened:
        opened.classes.create("pii", level="hsm", token=place_of(soft_token))
        message = opened.encrypt(b"x", data_class="pii")
        create_backup(opened, tmp_path / "backup")
    given = Unlock(key_file=room.key_file)
    assert verify_backup(tmp_path / "backup", room.home, given).recorded
    restored = restore_backup(tmp_path / "backup", tmp_path / "restored", given)
    with Room(restored.home, given) as opened:
        assert opened.decrypt(message) == b"x"
        assert opened.classes.show("pii").level == "hsm"


def test_levels_survive_a_keystore_of_before_there_were_any(soft_token: Token, tmp_path: Path) -> None:
    old = make_room(tmp_path)
    for table in ("levels", "settings"):
        old.sql(f"DROP TABLE {table}")
    old.sql("UPDATE alembic_version SET version_num = '0003'")
    with Room(old.home, Unlock(key_file=old.key_file)) as opened:
        opened.classes.set("default", level="hsm", token=place_of(soft_token), reason="to the HSM")
        message = opened.encrypt(b"x")
    with Room(old.home, Unlock(key_file=old.key_file)) as opened:
        assert opened.decrypt(message) == b"x"


def test_each_kek_in_a_token_is_tried_and_what_none_is_is_named(
    soft_token: Token, softhsm: SoftHsm, room: MadeRoom
) -> None:
    given = Unlock(key_file=room.key_file)
    other = softhsm.new_token(unique("other"))
    with Room(room.home, given) as opened:
        opened.classes.create("pii", level="hsm", token=place_of(soft_token))
        opened.classes.create("more", level="hsm", token=place_of(other))
    assert [kek.error for kek in survey_keks(room.home, given).keks] == [None, None]
    left = make_kek(place_of(other), f"strongroom/{room.room_id[:8]}/left")
    found = survey_keks(room.home, given)
    assert [kek.error for kek in found.keks] == [None, None]
    assert found.unused == (f"strongroom/{room.room_id[:8]}/left",)
    destroy_kek(left)
    ours = next(kek for kek in found.keks if kek.data_class == "more")
    destroy_kek(TokenKek(uri=ours.token, scheme=ours.scheme))
    again = survey_keks(room.home, given)
    assert {kek.data_class: type(kek.error) for kek in again.keks} == {"pii": type(None), "more": KeyNotFound}
    assert again.unused == ()


@pytest.mark.parametrize("stored", [b"", b"{}", b"[]", b"\xff", b'{"scheme":"aes-gcm","uri":"pkcs11:"}', b"null"])
def test_what_no_reference_is(stored: bytes) -> None:
    from strongroom.errors import RoomTampered

    with pytest.raises(RoomTampered):
        TokenKek.from_stored(stored)


def now() -> datetime:
    return datetime.now(UTC)
