"""Whole trees, decrypted by `tools/offline_decrypt.py` in an interpreter that cannot import this package."""

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import strongroom
from builds import HAS_ARGON2ID

from tools import offline_decrypt

FRAME = 4096
CLASSES = {"default": 0x0478, "signed": 0x0578}
ODD = os.fsdecode(b"not \xff utf-8\n")
KEY_FILE = ("--key-file", "key")
PASSPHRASE = ("--passphrase-file", "passphrase")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A room, a source, and a tree of it for each class; every tree was updated after its key was rotated."""
    folder = tmp_path_factory.mktemp("offline")
    (folder / "passphrase").write_text("correct horse\n")
    (folder / "wrong").write_text("battery staple\n")
    make_source(folder / "source")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRONGROOM_STATE", str(folder / "state"))
        passphrase = folder / "passphrase" if HAS_ARGON2ID else None
        strongroom.init(folder / "room", passphrase_file=passphrase, make_key_file=folder / "key")
        with strongroom.open(folder / "room", key_file=folder / "key") as room:
            room.classes.create("signed", suite=CLASSES["signed"], frame_length=FRAME, reason="test")
            for name in CLASSES:
                room.encrypt_tree(folder / "source", folder / name, data_class=name, reason="test")
            for key in room.keys.list():
                room.keys.rotate(key.id, reason="test")
        (folder / "source" / "a" / "later").write_bytes(b"after the rotation")
        os.utime(folder / "source" / "a", ns=(0, -5))
        with strongroom.open(folder / "room", key_file=folder / "key") as room:
            for name in CLASSES:
                room.encrypt_tree(folder / "source", folder / name, data_class=name, resume=True, reason="test")
                assert versions(folder / name) == {1, 2}
    return folder


def make_source(source):
    for name in ("a/b", "empty", "c.sr/.strongroom", ".strongroom~"):
        (source / name).mkdir(parents=True)
    sizes = {"zero": 0, "one": 1, "frame": FRAME, "many": 40 * FRAME + 7, "c.sr/.strongroom/d": 9, f"a/b/{ODD}": 5}
    for number, (name, size) in enumerate(sizes.items()):
        (source / name).write_bytes(os.urandom(size))
        os.utime(source / name, ns=(0, 1_600_000_000_123_456_789 + number))
    (source / "one").chmod(0o4751)
    (source / "a" / "b").chmod(0o750)
    (source / "a" / "nowhere").symlink_to("../../etc/" + ODD)
    (source / "shortcut").symlink_to("a/b")
    os.utime(source / "a", ns=(0, -5))


def versions(tree):
    """The key versions under which the files of a tree stand."""
    return {strongroom.inspect(path).key_version for path in tree.rglob("*.sr") if path.is_file()}


def facts(place):
    """Everything that a tree keeps of what stands beneath a place."""
    return {os.fsencode(path.relative_to(place)): fact(path) for path in [place, *place.rglob("*")]}


def fact(path):
    if path.is_symlink():
        return os.readlink(path)
    what = path.stat()
    content = path.read_bytes() if path.is_file() else None
    return content, stat.S_IMODE(what.st_mode) & (0o7777 if content is None else 0o1777), what.st_mtime_ns


def run_tool(folder, source, target, option, secret):
    start = "import runpy, sys; sys.modules['strongroom'] = None; runpy.run_path(sys.argv.pop(1), run_name='__main__')"
    paths = [str(folder / "room"), str(source), str(target)]
    command = [sys.executable, "-c", start, offline_decrypt.__file__, *paths, option, str(folder / secret)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("secret", [KEY_FILE, PASSPHRASE] if HAS_ARGON2ID else [KEY_FILE], ids=lambda secret: secret[1])
def test_a_whole_tree_comes_back(folder, tmp_path, name, secret):
    done = run_tool(folder, folder / name, tmp_path / "back", *secret)
    assert (done.returncode, done.stderr) == (0, "")
    assert facts(tmp_path / "back") == facts(folder / "source")
    assert len(facts(tmp_path / "back")) == 16


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("damage", ["flipped", "cut", "longer", "gone", "swapped", "linked"])
def test_one_bad_file_is_refused_and_the_others_come_back(folder, tmp_path, name, damage):
    tree = shutil.copytree(folder / name, tmp_path / "tree", symlinks=True)
    harm(tree / "many.sr", damage)
    done = run_tool(folder, tree, tmp_path / "back", *KEY_FILE)
    assert (done.returncode, done.stderr.splitlines()[0].partition(":")[0]) == (1, "many")
    expected = facts(folder / "source")
    del expected[b"many"]
    assert facts(tmp_path / "back") == expected


def harm(victim: Path, damage: str) -> None:
    content = victim.read_bytes()
    match damage:
        case "flipped":
            victim.write_bytes(content[:-1000] + bytes([content[-1000] ^ 1]) + content[-999:])
        case "cut":
            victim.write_bytes(content[: -(FRAME + 32)])
        case "longer":
            victim.write_bytes(content + b"\0")
        case "gone":
            victim.unlink()
        case "swapped":
            shutil.copyfile(victim.with_name("one.sr"), victim)
        case "linked":
            victim.rename(victim.parent.with_name("elsewhere"))
            victim.symlink_to(victim.parent.with_name("elsewhere"))


@pytest.mark.parametrize("length", [0, 1, 100, -1])
def test_a_manifest_that_is_not_whole_gives_nothing(folder, tmp_path, length):
    tree = shutil.copytree(folder / "default", tmp_path / "tree")
    manifest = tree / ".strongroom" / "manifest.sr"
    manifest.write_bytes(manifest.read_bytes()[:length])
    done = run_tool(folder, tree, tmp_path / "back", *KEY_FILE)
    assert (done.returncode, done.stderr) == (1, "the message is truncated\n")
    assert not (tmp_path / "back").exists()


def test_a_wrong_passphrase_opens_nothing(folder, tmp_path):
    done = run_tool(folder, folder / "default", tmp_path / "back", "--passphrase-file", "wrong")
    assert (done.returncode, done.stderr) == (1, "not authentic: a wrong secret, or altered data\n")
    assert not (tmp_path / "back").exists()


def test_what_the_manifest_does_not_name_is_reported(folder, tmp_path):
    tree = shutil.copytree(folder / "default", tmp_path / "tree")
    shutil.copyfile(tree / "one.sr", tree / "extra.sr")
    done = run_tool(folder, tree, tmp_path / "back", *KEY_FILE)
    assert done.returncode == 1
    assert done.stderr == f"{tree / 'extra.sr'}: the manifest does not name it; decrypt it alone\n"
    assert facts(tmp_path / "back") == facts(folder / "source")


def test_a_target_that_exists_is_left_alone(folder, tmp_path):
    (tmp_path / "back").write_text("precious")
    for source in (folder / "default", folder / "default" / "one.sr"):
        done = run_tool(folder, source, tmp_path / "back", *KEY_FILE)
        assert done.returncode == 1
        assert "File exists" in done.stderr
    assert (tmp_path / "back").read_text() == "precious"
