import os
import stat
from pathlib import Path

import pytest
from strongroom import files


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[tuple[str, str]]:
    """What is opened, synced and renamed beneath the folder, in order."""
    seen: list[tuple[str, str]] = []

    def watch(owner: object, name: str, what) -> None:
        real = getattr(owner, name)

        def call(*arguments, **options):
            done = real(*arguments, **options)
            seen.append((name, what(done, *arguments)))
            return done

        monkeypatch.setattr(owner, name, call)

    def relative(descriptor: int) -> str:
        path = Path(os.readlink(f"/proc/self/fd/{descriptor}")).relative_to(tmp_path)
        return "beside" if path.name.startswith(".file.") else str(path)

    watch(os, "fsync", lambda _, descriptor: relative(descriptor))
    watch(os, "open", lambda descriptor, *_: f"{relative(descriptor)} {stat.S_IMODE(os.fstat(descriptor).st_mode):o}")
    watch(Path, "replace", lambda _, path, target: target.name)
    return seen


def test_content_and_name_are_durable_in_this_order(calls: list[tuple[str, str]], tmp_path: Path) -> None:
    files.write_private(tmp_path / "file", b"content")
    done = [call for call in calls if call[0] != "open"]
    assert done == [("fsync", "beside"), ("replace", "file"), ("fsync", ".")]
    assert (tmp_path / "file").read_bytes() == b"content"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_file_is_private_from_its_first_moment(calls: list[tuple[str, str]], tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        files.create_private(tmp_path / "key", b"secret")
    finally:
        os.umask(before)
    assert ("open", "key 600") in calls
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_content_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files.write_private(tmp_path / "file", b"old")

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        files.write_private(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
