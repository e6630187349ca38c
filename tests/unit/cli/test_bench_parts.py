"""The parts of `strongroom bench` that need no measurement."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import click
import pytest
from strongroom.cli.benchmark import facts, files, place, suite
from strongroom.cli.benchmark.facts import Meanwhile
from strongroom.cli.benchmark.figures import Bound, Reference, Row, Spread, power_of_two, ratio, total, whole
from strongroom.cli.benchmark.picture import bar, lines
from strongroom.cli.benchmark.place import Place
from strongroom.cli.benchmark.rounds import FEWEST, MOST, interleaved, timed
from strongroom.cli.benchmark.suite import Result, Wanted
from strongroom.cli.commands.bench import Size
from unit.cli.test_bench_bounds import MACHINE

MIB = 1 << 20
MOUNTS = """\
22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
30 22 0:26 / /mnt/my\\040files rw - xfs /dev/vdb1 rw
31 22 0:27 / /mnt rw - btrfs /dev/vdc rw
32 31 0:28 / /mnt rw - tmpfs none rw
broken line
"""


def test_rounds_are_interleaved_and_turn_around() -> None:
    order: list[str] = []

    def noting(name: str) -> Any:
        return lambda: order.append(name) or 1.0

    times = interleaved({"a": noting("a"), "b": noting("b")}, seconds=0.0, show=lambda: None)
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": FEWEST, "b": FEWEST}
    assert "".join(order) == "ab" + "ab" + "ba" + "ab"


def test_rounds_end() -> None:
    times = interleaved({"a": lambda: 0.0}, seconds=60.0, show=lambda: None)
    assert len(times["a"]) == MOST


def test_what_comes_before_a_call_is_done_for_each() -> None:
    done: list[str] = []
    timed(lambda: done.append("work"), repeat=2, before=lambda: done.append("before"))()
    assert done == ["before", "work"] * 3
    done.clear()
    timed(lambda: done.append("work"))()
    assert done == ["work"]


def test_figures() -> None:
    assert Spread.of([3.0]) == Spread(3.0, 3.0, 3.0)
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 5.0]) == Spread(2.0, 3.0, 4.0)
    assert ratio([1.0, 2.0], [2.0, 4.0]).median == 0.5
    assert total({"a": [1.0, 2.0], "b": [10.0, 20.0]}, "a", "b") == (11.0, 22.0)
    assert [power_of_two(number) for number in (0, 1, 1023, 1024)] == [0, 1, 512, 1024]
    assert (whole(8 << 20), whole(3 << 19)) == ("8 MiB", "1.5 MiB")


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/home", ("ext4", "/dev/vda")),
        ("/mnt", ("tmpfs", "none")),
        ("/mnt/deep/er", ("tmpfs", "none")),
        ("/mntx", ("ext4", "/dev/vda")),
        ("/mnt/my files/a", ("xfs", "/dev/vdb1")),
    ],
)
def test_the_file_system_of_a_directory(path: str, found: tuple[str, str]) -> None:
    assert place.mount_of(path, MOUNTS) == found
    assert place.mount_of(path, "") == ("unknown", "unknown")


def test_three_files_must_fit_and_memory_must_be_left() -> None:
    disk, memory = Place("/d", "ext4", "/dev/vda", 100 * MIB), Place("/m", "tmpfs", "none", 100 * MIB)
    assert place.usable(disk, memory_available=20 * MIB) == 100 * MIB
    assert place.usable(memory, memory_available=20 * MIB) == 10 * MIB
    assert [place.largest_file(space * MIB) for space in (100, 10, 1)] == [30 * MIB, 3 * MIB, 0]


def test_the_machine_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    (tmp_path / "stat").write_text("cpu  100 0 50 800 10 0 5 35 0 0\ncpu0 1 1 1\n")
    assert facts.ticks(tmp_path / "stat") == (1000, 35)
    assert facts.ticks(tmp_path / "none") == (0, 0)
    (tmp_path / "cpu.stat").write_text("usage_usec 9\nthrottled_usec 2500000\n")
    assert facts.throttled_seconds(tmp_path / "cpu.stat") == 2.5
    assert facts.room_in_group(tmp_path) > 1 << 60
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert facts.room_in_group(tmp_path) == 600
    assert facts.model_of("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n") == "Some CPU @ 2 GHz"
    assert facts.kibibytes("MemTotal:  16 kB\nHugePages_Total: 0\n") == {"MemTotal": 16384}
    assert facts.numbers("0-1,4\n") == [0, 1, 4]
    assert facts.numbers("") == []
    for index, kib in (("index0", "48K"), ("index3", "32768K")):
        (tmp_path / index).mkdir()
        (tmp_path / index / "size").write_text(f"{kib}\n")
    assert facts.largest_cache(tmp_path) == 32 * MIB


@pytest.mark.parametrize(
    ("text", "length"), [("1MiB", MIB), ("64 MiB", 64 * MIB), ("1GiB", 1 << 30), ("2097152", 2 * MIB)]
)
def test_sizes_are_read(text: str, length: int) -> None:
    assert Size().convert(text, None, None) == length


@pytest.mark.parametrize("text", ["", "MiB", "1MB", "-1MiB", "1023KiB", "2TiB", "1e6"])
def test_sizes_that_mean_nothing_are_refused(text: str) -> None:
    with pytest.raises(click.BadParameter):
        Size().convert(text, None, None)


def a_result(free: int = 1 << 40, filesystem: str = "ext4") -> Result:
    return Result(MACHINE, Place("/d", filesystem, "/dev/vda", free), Meanwhile(), (1, 2))


def test_without_space_files_are_left_out_and_said(tmp_path: Path) -> None:
    result = a_result(free=MIB)
    suite.measure_files(result, Wanted(), tmp_path, lambda _name: None)
    assert (result.rows, result.notes) == ([], ["files were not measured: only 1 MiB may be written in /d"])


def test_with_little_space_files_are_smaller_and_said(tmp_path: Path) -> None:
    result = a_result(free=32 * MIB)
    assert suite.file_length(result, Wanted(length=64 * MIB), tmp_path, result.place.free) == 8 * MIB
    assert result.notes == ["files of 8 MiB rather than 64 MiB: 32 MiB may be written in /d"]


def test_on_a_slow_disk_files_are_smaller_unless_insisted_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "durable_rate", lambda _folder: 20e6)
    result = a_result()
    assert suite.file_length(result, Wanted(), tmp_path, 1 << 40) == 8 * MIB
    assert result.notes == ["files of 8 MiB rather than 256 MiB: more would take too long here; --size insists"]
    assert suite.file_length(result, Wanted(length=64 * MIB), tmp_path, 1 << 40) == 64 * MIB


def test_space_that_others_take_ends_the_files_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    result = a_result()
    monkeypatch.setattr(files, "prepare", full)
    suite.measure_files(result, Wanted(length=MIB), tmp_path, lambda _name: None)
    assert result.notes == ["files were not measured to the end: /d: No space left on device"]


def test_little_memory_makes_buffers_smaller() -> None:
    result = a_result()
    assert suite.buffer_length(result, Wanted(length=1 << 40)) == 256 * MIB
    assert result.notes == ["buffers of 256 MiB rather than 1 TiB: 4 GiB of memory is available"]


def test_the_picture() -> None:
    result = a_result()
    for workers, name in ((1, "encrypt into your buffer, 1 worker"), (2, "encrypt into your buffer, 2 workers")):
        bound = Bound("cipher", "the processor", None if workers == 1 else "a faster one")
        result.rows.append(Row("buffers", name, "bytes", 10**9, workers, (0.1 / workers,), (0.09 / workers,), bound))
    result.references.append(Reference("buffers", "memcpy", "bytes", 10**9, 1, (0.1,)))
    result.notes.append("files were not measured")
    drawn = "\n".join(lines(result, plain=True))
    assert "ext4 on /dev/vda" in drawn
    assert "10.0 GB/s  ###########   0.90  0.90 to 0.90  cipher" in drawn
    assert "1 worker: memcpy 10.0 GB/s" in drawn
    assert "2 workers are so many times as fast as one: encrypt 2.00 (the limit 2.00)" in drawn
    assert "a faster one. The processor." in drawn
    assert "note: files were not measured" in drawn


def test_bars() -> None:
    assert bar(0.5, plain=False) == "██████"
    assert bar(0.51, plain=False) == "██████▏"
    assert bar(3.0, plain=True) == "############"
    assert bar(0.0, plain=False) == ""
