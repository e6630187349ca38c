import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from builds import HAS_ARGON2ID
from stories.runner import matches, read_story, run_story

HERE = Path(__file__).parent
STORIES = sorted(HERE.glob("*.txt"))
# what a FIPS build says where a story takes a passphrase
REFUSED = """Guards against: a passphrase that is taken and opens nothing.

$ echo "correct horse battery staple" > pass; chmod 600 pass
$ strongroom init --passphrase-file pass --recovery-file kit
? 22
! strongroom: a passphrase needs Argon2id, which this FIPS build leaves out...
"""


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_story(path: Path, folder: Path) -> None:
    story = read_story(path.read_text())
    if "mount" in story.needs and not can_mount(folder):
        pytest.skip("mounting a tmpfs is not possible here")
    assert shutil.which("strongroom", path=str(Path(sys.executable).parent)), "install the package first: make build"
    if "argon2id" in story.needs and not HAS_ARGON2ID:
        story = read_story(REFUSED)
    run_story(story, folder)


@pytest.mark.parametrize(
    ("steps", "complaint"),
    [
        ("$ false", "expected exit code 0"),
        ("$ echo a\n> b", "expected stdout"),
        ("$ echo a", "expected stdout"),
        ("$ echo a >&2", "expected stderr"),
        ("$ touch left-behind; false\n? 1", "left-behind"),
        ("$ echo source > a\n$ echo more >> a; exit 3\n? 3", "still changed"),
    ],
)
def test_a_planted_failure_is_found(steps: str, complaint: str, folder: Path) -> None:
    with pytest.raises(AssertionError, match=complaint):
        run_story(read_story(f"Guards against: a runner that finds nothing\n\n{steps}\n"), folder)


def test_a_terminal_is_a_terminal(folder: Path) -> None:
    story = "Guards against: a pipe taken for a terminal\n\ntty$ test -t 1 && read -p 'name: ' x && echo =$x\n< me\n> name: me\n> =me\n"
    run_story(read_story(story), folder)


def test_dots_stand_for_anything() -> None:
    assert matches(["a ... d", "e"], "a b c d\ne\n")
    assert not matches(["a ... d"], "a b c\n")
    assert not matches([], "a\n")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    for mount in reversed([line.split()[1] for line in Path("/proc/mounts").read_text().splitlines()]):
        if mount.startswith(f"{tmp_path}/"):
            subprocess.run(["umount", mount], check=True)


def can_mount(folder: Path) -> bool:
    place = folder / "probe"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], capture_output=True, check=False)
    return done.returncode == 0
