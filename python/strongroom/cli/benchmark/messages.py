"""Messages of 1 KiB under one data key: one a call, and many in a call."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.cli.benchmark.bounds import MessageEvidence, of_message
from strongroom.cli.benchmark.figures import Row, Times, median, ratio
from strongroom.cli.benchmark.rounds import Measure, interleaved, timed
from strongroom.cli.words import count
from strongroom.client import (
    CachingKeyring,
    decrypt_message,
    decrypt_messages,
    encrypt_message,
    encrypt_messages,
)
from strongroom.keyring import RawAesKeyring

if TYPE_CHECKING:
    from strongroom.cli.benchmark.facts import Facts

LENGTH = 1024
GROUP = "messages of 1 KiB, one data key"
SIDES = ("encrypt", "decrypt")


def measure(workers: Sequence[int], seconds: float, show: Callable[[], None]) -> Times:
    """Measure for about so many seconds. Keys: `<side> one`, `<side> many|floor <workers>`; seconds of one message."""
    return interleaved(measures(workers), seconds, show)


def measures(workers: Sequence[int]) -> dict[str, Measure]:
    """What is measured: a keyring whose data key is cached, as a room's is."""
    keyring = CachingKeyring(RawAesKeyring("bench", "throwaway", os.urandom(32)))
    plaintexts = [bytes([at % 256]) * LENGTH for at in range(MANY)]
    messages = encrypt_messages(plaintexts, keyring)

    def encrypt_one_by_one() -> None:
        for plaintext in plaintexts[:ONE]:
            encrypt_message(plaintext, keyring)

    def decrypt_one_by_one() -> None:
        for message in messages[:ONE]:
            decrypt_message(message, keyring)

    def encrypt_together(control: crypto.Control) -> None:
        encrypt_messages(plaintexts, keyring, control=control)

    def decrypt_together(control: crypto.Control) -> None:
        decrypt_messages(messages, keyring, control=control)

    found = {"encrypt one": each(encrypt_one_by_one, ONE), "decrypt one": each(decrypt_one_by_one, ONE)}
    together = {"encrypt": encrypt_together, "decrypt": decrypt_together}
    for threads in workers:
        for side, call in together.items():
            found[f"{side} many {threads}"] = each(functools.partial(call, crypto.Control(threads)), MANY)
            found[f"{side} floor {threads}"] = floor(threads, side)
    return found


def each(call: Callable[[], None], messages: int) -> Measure:
    """Make a measure of one message of a call that does so many."""
    whole = timed(call)
    return lambda: whole() / messages


def floor(threads: int, side: str) -> Measure:
    """Make a measure of what a message costs at the least: its key, its header and one frame."""
    decrypt = side == "decrypt"
    return lambda: crypto.bench_messages(MANY, LENGTH, threads, decrypt=decrypt) / MANY


def rows(workers: Sequence[int], times: Times, facts: Facts) -> list[Row]:
    """Make the rows, and say what bounds them."""
    found = [row(f"{side}, one a call", 1, f"{side} one", times, facts) for side in SIDES]
    for threads in workers:
        for side in SIDES:
            name = f"{side}, many a call, {count(threads, 'worker')}"
            found.append(row(name, threads, f"{side} many {threads}", times, facts))
    return found


def cores(workers: Sequence[int], times: Times) -> float:
    """How many times the work of one worker all of them do: of the floor, which needs little memory."""
    return max(median(times[f"{side} floor 1"]) / median(times[f"{side} floor {workers[-1]}"]) for side in SIDES)


def row(name: str, threads: int, key: str, times: Times, facts: Facts) -> Row:
    """Make one row."""
    side, way, *_ = key.split()
    most = max(int(name.rpartition(" ")[2]) for name in times if "many" in name)
    limit = times[f"{side} floor {threads}"]
    evidence = MessageEvidence(
        ratio=ratio(limit, times[key]),
        one_a_call=way == "one",
        workers=threads,
        own=1 / median(times[key]),
        many=1 / median(times[f"{side} many 1"]),
        most_workers=most,
        most=1 / median(times[f"{side} many {most}"]),
        floor_one=1 / median(times[f"{side} floor 1"]),
        floor=1 / median(limit),
    )
    seconds, least = (tuple(second * MANY for second in each) for each in (times[key], limit))
    return Row(GROUP, name, "messages", MANY, threads, seconds, least, of_message(evidence, facts))


ONE, MANY = 500, 4000
