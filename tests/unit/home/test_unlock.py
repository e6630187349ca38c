import os
import pickle
from dataclasses import asdict
from pathlib import Path

import pytest
from strongroom.crypto import Secret
from strongroom.errors import Misuse, RoomLocked
from strongroom.home import Unlock, resolve
from strongroom.providers import SecretKind


def same(unlock: Unlock, *expected: tuple[SecretKind, bytes]) -> bool:
    found = resolve(unlock)
    return [kind for kind, _ in found] == [kind for kind, _ in expected] and all(
        secret.matches(Secret.from_caller(value)) for (_, secret), (_, value) in zip(found, expected, strict=True)
    )


@pytest.fixture
def word(tmp_path: Path) -> Path:
    file = tmp_path / "word"
    file.write_bytes(b"hunter2\n")
    return file


def test_nothing_given_is_locked() -> None:
    with pytest.raises(RoomLocked, match="key file"):
        resolve(Unlock())
    with pytest.raises(RoomLocked):
        resolve(Unlock(prompt=False))


def test_every_passphrase_source_gives_the_same(word: Path) -> None:
    phrase = (SecretKind.PASSPHRASE, b"hunter2")
    assert same(Unlock(passphrase_file=word), phrase)
    assert same(Unlock(passphrase_file=os.fsencode(word)), phrase)
    assert same(Unlock(passphrase="hunter2"), phrase)
    assert same(Unlock(passphrase=b"hunter2"), phrase)
    assert same(Unlock(passphrase_command=f"cat '{word}'"), phrase)
    assert same(Unlock(passphrase_command=["cat", str(word)]), phrase)
    descriptor = os.open(word, os.O_RDONLY)
    assert same(Unlock(passphrase_fd=descriptor), phrase)
    os.close(descriptor)


def test_a_comparison_of_secrets_can_fail(word: Path) -> None:
    assert not same(Unlock(passphrase_file=word), (SecretKind.PASSPHRASE, b"hunter3"))


def test_key_files_come_before_passphrases(word: Path) -> None:
    key = word.with_name("key")
    key.write_bytes(b"k" * 31 + b"\n")
    unlock = Unlock(key_file=key, passphrase_file=word)
    assert same(unlock, (SecretKind.KEY_FILE, b"k" * 31 + b"\n"), (SecretKind.PASSPHRASE, b"hunter2"))


def test_a_failing_command_unlocks_nothing(word: Path) -> None:
    with pytest.raises(RoomLocked, match="status 3"):
        resolve(Unlock(passphrase_command=["sh", "-c", f"cat '{word}'; exit 3"]))
    with pytest.raises(FileNotFoundError):
        resolve(Unlock(passphrase_command="no-such-program-here"))
    with pytest.raises(Misuse):
        resolve(Unlock(passphrase_command=""))


def test_a_missing_file_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        resolve(Unlock(key_file=tmp_path / "absent"))
    assert str(caught.value.filename).endswith("absent")


def test_the_environment_names_files(word: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STRONGROOM_PASSPHRASE_FILE", str(word))
    assert same(Unlock(), (SecretKind.PASSPHRASE, b"hunter2"))
    (tmp_path / "strongroom-key").write_bytes(b"k" * 32)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(tmp_path))
    assert same(Unlock(), (SecretKind.KEY_FILE, b"k" * 32), (SecretKind.PASSPHRASE, b"hunter2"))
    assert same(Unlock(passphrase="given"), (SecretKind.PASSPHRASE, b"given"))


def test_recovery_words_are_the_recovery_file() -> None:
    secret = Secret.random()
    ((kind, found),) = resolve(Unlock(recovery_words=secret.recovery_words()))
    assert kind is SecretKind.RECOVERY_KIT
    assert found.matches(secret)
    with pytest.raises(Misuse):
        resolve(Unlock(recovery_words="abandon " * 24))


@pytest.mark.parametrize(
    "sources",
    [
        {"passphrase": "x", "passphrase_fd": 0},
        {"passphrase_file": "x", "passphrase_command": "y"},
        {"recovery_words": "x", "recovery_file": "y"},
    ],
)
def test_two_sources_of_one_kind_are_misuse(sources: dict[str, object]) -> None:
    with pytest.raises(Misuse, match="not both"):
        Unlock(**sources)


def test_secrets_neither_show_nor_travel() -> None:
    unlock = Unlock(passphrase="hunter2")
    assert "hunter2" not in repr(unlock)
    assert "abandon" not in repr(Unlock(recovery_words="abandon"))
    for carrying in (unlock, Unlock(recovery_words="x"), Unlock(passphrase_fd=3)):
        with pytest.raises(Misuse, match="pickled"):
            pickle.dumps(carrying)
    travelling = Unlock(key_file="k", passphrase_file="p")
    assert asdict(pickle.loads(pickle.dumps(travelling))) == asdict(travelling)


def test_a_token_and_a_secret_exclude_each_other() -> None:
    for more in ({"key_file": "k"}, {"passphrase": "p"}, {"share_files": ["s"]}, {"recovery_file": "r"}):
        with pytest.raises(Misuse, match="a token or something else"):
            Unlock(token="pkcs11:token=t", **more)  # type: ignore[arg-type] # one of its fields
