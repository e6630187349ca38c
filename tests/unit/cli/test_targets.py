import io
import os
import stat
from pathlib import Path

import pytest
from strongroom.cli.targets import Kind, TextOnly, kind_of, reading, writing
from strongroom.errors import Misuse, TargetExists


def test_kinds(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.touch()
    assert kind_of(str(file), "x") is Kind.FILE
    assert kind_of(str(tmp_path), "x") is Kind.TREE
    assert kind_of(str(file), "-") is Kind.STREAM
    assert kind_of("-", "x") is Kind.STREAM
    with pytest.raises(FileNotFoundError):
        kind_of(str(tmp_path / "none"), "x")


def test_a_file_gets_its_name_at_the_end(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with writing(str(target), force=False) as descriptor:
        assert isinstance(descriptor, int)
        os.write(descriptor, b"data")
        assert not target.exists()
    assert target.read_bytes() == b"data"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [target]


def test_nothing_is_left_behind_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), writing(str(tmp_path / "out"), force=True):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_name_taken_meanwhile_is_left_alone(tmp_path: Path) -> None:
    target = tmp_path / "out"
    with pytest.raises(TargetExists), writing(str(target), force=False):
        target.write_text("someone else's")
    assert target.read_text() == "someone else's"
    assert list(tmp_path.iterdir()) == [target]
    with writing(str(target), force=True):
        pass
    assert target.read_bytes() == b""


def test_reading_closes(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    with reading(str(tmp_path / "in")) as descriptor:
        assert os.read(descriptor, 2) == b"x"
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)


def test_a_terminal_takes_text() -> None:
    screen = io.BytesIO()
    writer = TextOnly(screen)
    for piece in (b"caf\xc3", b"\xa9\n"):  # a frame may end inside a character
        writer.write(piece)
    assert screen.getvalue().decode() == "café\n"


@pytest.mark.parametrize("data", [b"\0", b"\xff\xfe", b"\x1b[2J", b"\x9b2J"])
def test_a_terminal_takes_nothing_else(data: bytes) -> None:
    screen = io.BytesIO()
    with pytest.raises(Misuse):
        TextOnly(screen).write(data)
    assert screen.getvalue() == b""
