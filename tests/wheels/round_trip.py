"""A round trip through the API and the command, in an environment that holds the wheel and what it depends on.

Run as `python -I round_trip.py FOLDER NAME`: FOLDER is empty, NAME the distribution. Prints what it ran on.
"""

import filecmp
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import strongroom

COMMAND = Path(sys.executable).with_name("strongroom")


def main(folder: Path, name: str) -> None:
    os.environ["STRONGROOM_STATE"] = str(folder / "state")
    os.environ["STRONGROOM_HOME"] = str(folder / "room")
    assert Path(strongroom.__file__).is_relative_to(sys.prefix), strongroom.__file__
    assert importlib.metadata.version(name) == strongroom.__version__
    make_source(folder / "source")
    by_command(folder)
    by_api(folder)
    facts = strongroom.info()
    print(name, facts["strongroom"], "on Python", facts["python"], "with", facts["crypto_library"])


def make_source(source: Path) -> None:
    (source / "deep" / "er").mkdir(parents=True)
    for name, size in {"empty": 0, "small": 10, "deep/large": 300_000, "deep/er/one": 1}.items():
        (source / name).write_bytes(os.urandom(size))
    (source / "link").symlink_to("small")


def by_command(folder: Path) -> None:
    key = ["--key-file", str(folder / "key")]
    run("--version")
    run("init", "--make-key-file", str(folder / "key"), "--recovery-file", str(folder / "kit"))
    run("encrypt", str(folder / "source"), str(folder / "tree"), *key)
    run("verify", str(folder / "tree"), *key)
    run("decrypt", str(folder / "tree"), str(folder / "back"), *key)
    same(folder / "source", folder / "back")
    facts = json.loads(run("info", "--json"))
    assert facts["self_test"] == "passed", facts
    damaged = folder / "tree" / "small.sr"
    content = damaged.read_bytes()
    damaged.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    run("verify", str(damaged), *key, code=20)
    damaged.write_bytes(content)


def by_api(folder: Path) -> None:
    with strongroom.open(key_file=folder / "key") as room:
        blob = room.encrypt(b"plaintext", context={"tenant": "acme"}, reason="wheel")
        assert room.decrypt(blob, context={"tenant": "acme"}, reason="wheel") == b"plaintext"
        room.decrypt_tree(folder / "tree", folder / "again", reason="wheel")
    same(folder / "source", folder / "again")


def run(*arguments: str, code: int = 0) -> str:
    done = subprocess.run([COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == code, (arguments, done)
    return done.stdout


def same(left: Path, right: Path) -> None:
    compared = filecmp.dircmp(left, right, ignore=[])
    assert not compared.left_only + compared.right_only + compared.funny_files, compared.report()
    _, differing, failed = filecmp.cmpfiles(left, right, compared.common_files, shallow=False)
    assert not differing + failed, differing + failed
    for name in compared.common_dirs:
        same(left / name, right / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
