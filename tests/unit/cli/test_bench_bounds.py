"""What bounds a row, decided from invented figures."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from strongroom.cli.benchmark import bounds
from strongroom.cli.benchmark.bounds import (
    BufferEvidence,
    DurableEvidence,
    FileEvidence,
    MessageEvidence,
    RangedEvidence,
)
from strongroom.cli.benchmark.facts import Facts, Meanwhile
from strongroom.cli.benchmark.figures import Bound, Row, Spread

AT_THE_LIMIT = Spread(0.95, 0.96, 0.97)
BELOW = Spread(0.58, 0.60, 0.62)
DISAGREEING = Spread(0.6, 0.96, 1.2)

MACHINE = Facts(
    version="1",
    profile="release",
    system="Linux",
    python="3.11",
    processor="Invented",
    processors=2,
    workers=2,
    threads_per_core=1,
    cache=32 << 20,
    aes="vaes-avx512",
    huge_pages="madvise",
    memory=8 << 30,
    memory_available=4 << 30,
    locked=4096,
    lock_refused=0,
    lock_limit=None,
    load=0.0,
)

# two workers, twice as fast as one, into a buffer, as fast in memory as in the cache
BUFFER = BufferEvidence(
    ratio=AT_THE_LIMIT,
    workers=2,
    own=38e9,
    into=None,
    most_workers=2,
    most=38e9,
    cipher=40e9,
    cipher_one=20e9,
    cipher_cached=40e9,
    memcpy=20e9,
    cores=2.0,
)
FILE = FileEvidence(
    ratio=AT_THE_LIMIT,
    length=1 << 30,
    workers=2,
    cipher=0.3,
    moving=0.2,
    durable=0.1,
    filesystem="ext4",
    in_memory=False,
)
MESSAGE = MessageEvidence(
    ratio=AT_THE_LIMIT,
    one_a_call=False,
    workers=2,
    own=400e3,
    many=210e3,
    most_workers=2,
    most=400e3,
    floor_one=220e3,
    floor=430e3,
)


def facts(**changed: Any) -> Facts:
    return dataclasses.replace(MACHINE, **changed)


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({}, "cipher"),
        ({"ratio": DISAGREEING}, "noise"),
        ({"ratio": BELOW}, "overhead"),
        ({"own": 10e9, "into": 38e9, "ratio": BELOW}, "page allocation"),
        ({"own": 37e9, "into": 38e9}, "cipher"),
        ({"workers": 1, "own": 19e9}, "one core"),
        ({"workers": 2, "most_workers": 8, "most": 120e9}, "2 cores"),
        ({"cipher_cached": 60e9}, "memory"),
        ({"cipher_cached": None}, "cipher"),
        ({"cores": 1.2}, "shared cores"),
        ({"cipher": 28e9, "cipher_cached": None}, "threads"),
        ({"workers": 1, "most_workers": 1, "cipher": 20e9, "cipher_cached": 20e9, "cores": 1.0}, "cipher"),
    ],
)
def test_buffers(changed: dict[str, Any], cause: str) -> None:
    assert bounds.of_buffer(dataclasses.replace(BUFFER, **changed), MACHINE).cause == cause


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({}, "cipher"),
        ({"ratio": DISAGREEING}, "noise"),
        ({"ratio": BELOW}, "overhead"),
        ({"moving": 0.5}, "file system"),
        ({"moving": 0.5, "filesystem": "tmpfs", "in_memory": True}, "page allocation"),
        ({"durable": 3.0}, "disk"),
    ],
)
def test_files(changed: dict[str, Any], cause: str) -> None:
    assert bounds.of_file(dataclasses.replace(FILE, **changed), MACHINE).cause == cause


@pytest.mark.parametrize(
    ("changed", "cause"),
    [
        ({}, "a key each"),
        ({"ratio": DISAGREEING}, "noise"),
        ({"ratio": BELOW}, "overhead"),
        ({"ratio": BELOW, "one_a_call": True, "workers": 1, "own": 100e3}, "calls"),
        ({"one_a_call": True, "workers": 1, "own": 205e3}, "one core"),
        ({"floor": 260e3}, "shared cores"),
    ],
)
def test_messages(changed: dict[str, Any], cause: str) -> None:
    assert bounds.of_message(dataclasses.replace(MESSAGE, **changed), MACHINE).cause == cause


@pytest.mark.parametrize(
    ("ratio", "cause"), [(AT_THE_LIMIT, "whole frames"), (BELOW, "overhead"), (DISAGREEING, "noise")]
)
def test_ranged_reads(ratio: Spread, cause: str) -> None:
    assert bounds.of_ranged(RangedEvidence(ratio, own=12e-6, fetch=6e-6, open=5e-6)).cause == cause


@pytest.mark.parametrize(
    ("ratio", "fsync", "cause"),
    [
        (AT_THE_LIMIT, 0.9e-3, "fsync"),
        (AT_THE_LIMIT, 0.1e-3, "system calls"),
        (BELOW, 0.9e-3, "overhead"),
        (Spread(0.3, 0.6, 0.9), 0.9e-3, "noise"),
    ],
)
def test_small_files(ratio: Spread, fsync: float, cause: str) -> None:
    evidence = DurableEvidence(ratio, own=1e-3, floor=0.95e-3, fsync=fsync, filesystem="ext4")
    assert bounds.of_durable(evidence).cause == cause


def test_new_pages_are_advised_against_by_what_the_machine_allows() -> None:
    evidence = dataclasses.replace(BUFFER, own=10e9, into=38e9)
    off, on = (bounds.of_buffer(evidence, facts(huge_pages=mode)) for mode in ("never", "madvise"))
    assert "3.8 times as fast" in on.sentence
    assert on.change == "keep a buffer and use encrypt_into and decrypt_into"
    assert "huge pages are off" in off.sentence
    assert off.change == bounds.HUGE_PAGES_ON
    # no word of huge pages where nothing was slow
    assert bounds.of_buffer(BUFFER, facts(huge_pages="never")).change is None


@pytest.mark.parametrize(
    ("aes", "cause", "change"),
    [
        ("vaes-avx512", "cipher", None),
        ("vaes-avx2", "cipher", None),
        ("arm-aes", "cipher", None),
        ("aes-ni", "cipher, no VAES", bounds.USE_VAES),
        ("none", "cipher, no AES", bounds.USE_AES),
    ],
)
def test_the_processor_is_named_where_the_cipher_bounds(aes: str, cause: str, change: str | None) -> None:
    bound = bounds.of_buffer(BUFFER, facts(aes=aes))
    assert (bound.cause, bound.change) == (cause, change)
    assert "20.0 GB/s a core" in bound.sentence
    # and nowhere else
    assert bounds.of_buffer(dataclasses.replace(BUFFER, ratio=BELOW), facts(aes=aes)).change is None


def test_a_slow_disk_is_told_by_what_it_takes() -> None:
    bound = bounds.of_file(dataclasses.replace(FILE, durable=4.0), MACHINE)
    assert "ext4" in bound.sentence
    assert "256 MB/s" in bound.sentence
    assert bound.change is not None


def test_a_machine_in_order_is_left_alone() -> None:
    assert bounds.of_machine(MACHINE, Meanwhile()) == []
    assert bounds.doubts([row("cipher")], MACHINE, Meanwhile()) == []


@pytest.mark.parametrize(
    ("changed", "word"),
    [
        ({"lock_refused": 8192}, "8.0 KiB of keys"),
        ({"lock_limit": 65536}, "only 64.0 KiB"),
        ({"processors": 8}, "2 of 8 processors"),
    ],
)
def test_what_the_machine_should_change(changed: dict[str, Any], word: str) -> None:
    (advice,) = bounds.of_machine(facts(**changed), Meanwhile())
    assert word in advice.because


def test_a_quota_is_seen_by_its_throttling() -> None:
    (advice,) = bounds.of_machine(MACHINE, Meanwhile(throttled=0.3))
    assert "30%" in advice.because


@pytest.mark.parametrize(
    ("changed", "meanwhile", "cause", "word"),
    [
        ({"profile": "debug"}, Meanwhile(), "cipher", "release"),
        ({"load": 1.9}, Meanwhile(), "cipher", "load 1.9"),
        ({}, Meanwhile(stolen=0.1), "cipher", "10%"),
        ({}, Meanwhile(throttled=0.1), "cipher", "quota"),
        ({}, Meanwhile(), "noise", "1 row"),
    ],
)
def test_doubts(changed: dict[str, Any], meanwhile: Meanwhile, cause: str, word: str) -> None:
    (doubt,) = bounds.doubts([row(cause)], facts(**changed), meanwhile)
    assert word in doubt


def test_each_change_is_advised_once_with_all_its_rows() -> None:
    rows = [row("disk", "encrypt", "a faster disk"), row("disk", "decrypt", "a faster disk"), row("cipher", "verify")]
    (advice,) = bounds.advice(rows, MACHINE, Meanwhile())
    assert advice.change == "a faster disk"
    assert advice.rows == ("files: encrypt", "files: decrypt")


def row(cause: str, name: str = "encrypt", change: str | None = None) -> Row:
    return Row("files", name, "bytes", 1 << 30, 2, (1.0, 1.1), (0.9, 1.0), Bound(cause, "because", change))
