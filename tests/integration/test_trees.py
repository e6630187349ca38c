"""Trees through a room: there and back, updated, damaged, denied."""

import os
import shutil

import pytest
import strongroom
from strongroom import crypto
from strongroom.errors import AuthenticationFailed, Misuse, PartialFailure, TargetExists, TreeMismatch

ODD = os.fsdecode(b"not \xff utf-8\n")


@pytest.fixture
def room(tmp_path, monkeypatch):
    monkeypatch.setenv("STRONGROOM_STATE", str(tmp_path / "state"))
    strongroom.init(tmp_path / "room", make_key_file=tmp_path / "key")
    with strongroom.open(tmp_path / "room", key_file=tmp_path / "key") as room:
        yield room


@pytest.fixture
def source(tmp_path):
    source = tmp_path / "source"
    (source / "a" / "b").mkdir(parents=True)
    (source / "a" / "one").write_bytes(b"one" * 1000)
    (source / "a" / ODD).write_bytes(b"odd")
    (source / "two").write_bytes(b"")
    os.symlink("../nowhere", source / "a" / "link")
    os.utime(source / "two", ns=(5, 1_600_000_000_123_456_789))
    (source / "two").chmod(0o640)
    return source


@pytest.fixture
def tree(room, source, tmp_path):
    room.encrypt_tree(source, tmp_path / "tree", reason="test")
    return tmp_path / "tree"


def test_there_and_back(room, source, tree, tmp_path):
    result = room.decrypt_tree(os.fsencode(tree), tmp_path / "back", reason="test")
    assert (result.files, result.directories, result.links) == (3, 2, 1)
    back = tmp_path / "back"
    for name in ["a/one", f"a/{ODD}", "two"]:
        ours, theirs = (back / name).stat(), (source / name).stat()
        assert (back / name).read_bytes() == (source / name).read_bytes()
        assert (ours.st_mode, ours.st_mtime_ns) == (theirs.st_mode, theirs.st_mtime_ns)
    assert os.readlink(back / "a" / "link") == "../nowhere"
    assert (back / "a" / "b").is_dir()


def test_each_file_is_a_message_of_its_own(room, source, tree, tmp_path):
    room.decrypt_file(tree / "a" / "one.sr", tmp_path / "one", reason="test")
    assert (tmp_path / "one").read_bytes() == (source / "a" / "one").read_bytes()


def test_one_path(room, source, tree, tmp_path):
    room.decrypt_tree(tree, tmp_path / "odd", only=f"a/{ODD}", reason="test")
    assert (tmp_path / "odd").read_bytes() == b"odd"
    with pytest.raises(Misuse, match="relative"):
        room.decrypt_tree(tree, tmp_path / "out", only="../two", reason="test")


def test_updates(room, source, tree):
    with pytest.raises(TargetExists):
        room.encrypt_tree(source, tree, reason="test")
    (source / "two").write_bytes(b"changed")
    (source / "a" / "one").unlink()
    result = room.encrypt_tree(source, tree, resume=True, reason="test")
    assert (result.files, result.resumed, result.removed) == (2, 1, 1)
    assert not (tree / "a" / "one.sr").exists()
    assert room.verify(tree, reason="test").files == 2


def test_every_failure_is_named(room, source, tree, tmp_path):
    damaged = bytearray((tree / "two.sr").read_bytes())
    damaged[-1] ^= 1
    (tree / "two.sr").write_bytes(damaged)
    (tree / "a" / "one.sr").rename(tree / "a" / "else.sr")
    with pytest.raises(PartialFailure) as verified:
        room.verify(tree, reason="test")
    kinds = {path: type(error) for path, error in verified.value.failures}
    assert kinds == {"a/one": TreeMismatch, "a/else.sr": TreeMismatch, "two": AuthenticationFailed}
    with pytest.raises(PartialFailure) as decrypted:
        room.decrypt_tree(tree, tmp_path / "back", reason="test")
    assert [path for path, _ in decrypted.value.failures] == [path for path, _ in verified.value.failures]
    assert (tmp_path / "back" / "a" / ODD).read_bytes() == b"odd"
    assert not (tmp_path / "back" / "two").exists()


def test_an_edk_that_opens_nothing_fails_its_file_alone(room, tree):
    message = bytearray((tree / "two.sr").read_bytes())
    edk = crypto.Header.parse(message).edks[0].ciphertext
    message[bytes(message).index(edk)] ^= 1
    (tree / "two.sr").write_bytes(message)
    with pytest.raises(PartialFailure) as verified:
        room.verify(tree, reason="test")
    assert [path for path, _ in verified.value.failures] == ["two"]


def test_what_a_key_source_raises_comes_through(source, tmp_path):
    class Denying:
        def encryption(self, plaintext_bytes, messages):
            raise PermissionError("no")

        def decryption(self, header, message_bytes, messages):
            raise PermissionError("no")

    with pytest.raises(PermissionError, match="no"):
        crypto.encrypt_tree(source, tmp_path / "tree", Denying())
    assert not (tmp_path / "tree").exists()


def test_a_tree_does_not_lie_within_itself(room, source):
    with pytest.raises(Misuse, match="within"):
        room.encrypt_tree(source, source / "tree", reason="test")


def test_without_its_manifest_it_is_no_tree(room, tree):
    shutil.rmtree(tree / ".strongroom")
    with pytest.raises(TreeMismatch, match="no manifest"):
        room.verify(tree, reason="test")
