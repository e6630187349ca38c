import pytest
from strongroom.cli import words


@pytest.mark.parametrize(
    ("number", "noun", "text"), [(0, "file", "0 files"), (1, "file", "1 file"), (24312, "entry", "24,312 entries")]
)
def test_count(number: int, noun: str, text: str) -> None:
    assert words.count(number, noun) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (2**31, "2.0 GiB"), (2**80, "1073741824.0 PiB")],
)
def test_size(number: int, text: str) -> None:
    assert words.size(number) == text


@pytest.mark.parametrize(
    ("number", "seconds", "text"), [(2040109466, 2.1, "0.9 GiB/s"), (1024, 1, "1.0 KiB/s"), (5, 0, "0 B/s")]
)
def test_rate(number: int, seconds: float, text: str) -> None:
    assert words.rate(number, seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.0004, "0.4 ms"), (2.14, "2.1 s"), (200.4, "3 min 20 s"), (7500, "2 h 05 min")]
)
def test_duration(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a b", "a b"),
        ("é", "é"),
        (b"\xff", "\\xff"),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\nb", "a\\nb"),
        (3, "file descriptor 3"),
    ],
)
def test_a_path_cannot_steer_the_terminal(path: str | bytes | int, text: str) -> None:
    assert words.shown(path) == text
