"""Trees through a room: there and back, updated, damaged, denied."""

import os
import shutil
import subprocess
import sys

import pytest
import strongroom
from strongroom import crypto
from strongroom.errors import (
    AuthenticationFailed,
    LimitExceeded,
    Misuse,
    PartialFailure,
    TargetExists,
    TreeMismatch,
)
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials

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


KILLED_AT_REMOVAL = ("strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=unlinkat", "-e")
CLI = (sys.executable, "-c", "from strongroom.cli import main; main()")


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace kills at a chosen system call")
def test_a_reader_reports_nothing_wherever_a_run_is_killed_that_removes_what_is_gone(room, source, tree, tmp_path):
    shutil.rmtree(source / "a")
    command = (*CLI, "encrypt", source, tree, "--resume", "--home", tmp_path / "room", "--key-file", tmp_path / "key")
    original = shutil.copytree(tree, tmp_path / "original")
    left = []
    for removal in range(1, 20):
        shutil.rmtree(tree)
        shutil.copytree(original, tree)
        kill = f"inject=unlinkat:signal=KILL:when={removal}"
        ended = subprocess.run([*KILLED_AT_REMOVAL, kill, *command], capture_output=True, check=False)
        left.append(sum(1 for _ in tree.rglob("*")))
        assert room.verify(tree, reason="test").files == 1
        assert room.decrypt_tree(tree, tmp_path / "back", force=True, reason="test").files == 1
        room.encrypt_tree(source, tree, resume=True, reason="test")
        assert not (tree / "a").exists()
        if ended.returncode == 0:
            break
    # two files, the directory beside them, the one above, the journal; a directory takes two calls
    assert list(dict.fromkeys(left)) == [8, 7, 6, 5, 4, 3]


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


def test_a_damaged_signed_file_stops_no_other(room, tmp_path):
    # signed files of more than a run go through threads of their own, which stop each other
    room.classes.create("signed", suite=0x0578, reason="test")
    names = [f"{number}" for number in range(5)]
    (tmp_path / "large").mkdir()
    for name in names:
        (tmp_path / "large" / name).write_bytes(os.urandom(3 << 20))
    tree = tmp_path / "signed"
    room.encrypt_tree(tmp_path / "large", tree, data_class="signed", reason="test")
    damaged = bytearray((tree / "1.sr").read_bytes())
    damaged[1_500_000] ^= 1
    (tree / "1.sr").write_bytes(damaged)
    with pytest.raises(PartialFailure) as verified:
        room.verify(tree, reason="test")
    assert [(path, type(error)) for path, error in verified.value.failures] == [("1", AuthenticationFailed)]
    with pytest.raises(PartialFailure):
        room.decrypt_tree(tree, tmp_path / "back", reason="test")
    assert sorted(os.listdir(tmp_path / "back")) == [name for name in names if name != "1"]


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


class Counting:
    """Keys that say how many messages of how many bytes they were asked for."""

    def __init__(self, most=None):
        self.keyring = RawAesKeyring("test", "key", bytes(32))
        self.most, self.written, self.read, self.questions = most, [0, 0], [0, 0], 0

    def encryption(self, plaintext_bytes, messages):
        if self.most and messages > self.most:
            raise LimitExceeded("too many messages for one data key")
        self.questions += 1
        self.written = [self.written[0] + messages, self.written[1] + plaintext_bytes]
        return encryption_materials(self.keyring)

    def decryption(self, header, message_bytes, messages):
        self.questions += 1
        self.read = [self.read[0] + messages, self.read[1] + message_bytes]
        return decryption_materials(
            header, self.keyring, context=None, commitment_policy="require-encrypt-require-decrypt"
        )


@pytest.mark.parametrize("suite", [0x0478, 0x0578])
@pytest.mark.parametrize("frame_length", [16, 65536])
def test_files_of_any_size_come_back_whether_they_fit_one_buffer_or_not(tmp_path, suite, frame_length):
    class Keys(Counting):
        def encryption(self, plaintext_bytes, messages):
            return encryption_materials(self.keyring, suite=suite, frame_length=frame_length)

    (tmp_path / "source").mkdir()
    for size in [0, 1, 15, 16, 100_000, 500_000, 1 << 20, (1 << 20) + 1, 3_000_000]:
        (tmp_path / "source" / f"{size}").write_bytes(os.urandom(size))
    crypto.encrypt_tree(tmp_path / "source", tmp_path / "tree", Keys())
    assert crypto.encrypt_tree(tmp_path / "source", tmp_path / "tree", Keys(), resume=True).kept == 9
    assert crypto.verify_tree(tmp_path / "tree", Keys()).failures == []
    crypto.decrypt_tree(tmp_path / "tree", tmp_path / "back", Keys())
    for path in (tmp_path / "source").iterdir():
        assert (tmp_path / "back" / path.name).read_bytes() == path.read_bytes()


@pytest.fixture
def many(tmp_path):
    for index in range(100):
        (tmp_path / "many" / f"{index // 10}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "many" / f"{index // 10}" / f"{index}").write_bytes(bytes(100))
    return tmp_path / "many"


def test_keys_are_asked_for_many_files_at_once_and_each_is_counted(many, tmp_path):
    keys = Counting()
    crypto.encrypt_tree(many, tmp_path / "tree", keys, control=crypto.Control(workers=1))
    # one message a file, and besides them the manifest and some records of the journal
    assert 102 <= keys.written[0] < 120
    assert keys.questions < 20
    questions, messages = keys.questions, list((tmp_path / "tree").rglob("*.sr"))
    crypto.decrypt_tree(tmp_path / "tree", tmp_path / "back", keys, control=crypto.Control(workers=1))
    assert keys.read == [len(messages), sum(message.stat().st_size for message in messages)]
    assert keys.questions - questions < 20


def test_a_data_key_serves_no_more_messages_than_it_may(many, tmp_path):
    keys = Counting(most=3)
    crypto.encrypt_tree(many, tmp_path / "tree", keys)
    crypto.verify_tree(tmp_path / "tree", keys)
    edks = {crypto.MessageFile.open(path).header.edks[0].ciphertext for path in (tmp_path / "tree").rglob("*.sr")}
    assert len(edks) > 100 / 3


def test_a_class_with_few_messages_a_data_key(room, many, tmp_path):
    room.classes.create("few", max_messages=7)
    room.encrypt_tree(many, tmp_path / "tree", data_class="few", reason="test")
    assert room.verify(tmp_path / "tree", reason="test").files == 100
    assert room.decrypt_tree(tmp_path / "tree", tmp_path / "back", reason="test").files == 100


FEW_FILES = """
import resource, sys
from test_trees import Counting
from strongroom import crypto
resource.setrlimit(resource.RLIMIT_NOFILE, (128, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
source, tree, back = sys.argv[1:]
assert crypto.encrypt_tree(source, tree, Counting()).failures == []
assert crypto.decrypt_tree(tree, back, Counting()).failures == []
"""


def test_no_more_files_are_open_than_may_be(tmp_path):
    # each file in a directory of its own, which is open with it
    for index in range(600):
        (tmp_path / "source" / f"{index}").mkdir(parents=True)
        (tmp_path / "source" / f"{index}" / "file").write_bytes(bytes(100))
    paths = [tmp_path / name for name in ("source", "tree", "back")]
    subprocess.run([sys.executable, "-c", FEW_FILES, *paths], cwd=os.path.dirname(__file__), check=True)


def test_a_directory_in_the_place_of_a_file_fails_that_file_alone(room, tree, tmp_path):
    (tmp_path / "back" / "a" / "one" / "in").mkdir(parents=True)
    with pytest.raises(PartialFailure) as failed:
        room.decrypt_tree(tree, tmp_path / "back", force=True, reason="test")
    assert [path for path, _ in failed.value.failures] == ["a/one"]
    assert (tmp_path / "back" / "a" / ODD).read_bytes() == b"odd"


def test_a_tree_does_not_lie_within_itself(room, source):
    with pytest.raises(Misuse, match="within"):
        room.encrypt_tree(source, source / "tree", reason="test")


def test_without_its_manifest_it_is_no_tree(room, tree):
    shutil.rmtree(tree / ".strongroom")
    with pytest.raises(TreeMismatch, match="no manifest"):
        room.verify(tree, reason="test")
