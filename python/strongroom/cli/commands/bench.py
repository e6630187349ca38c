"""`strongroom bench`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import click

from strongroom.cli import options
from strongroom.cli.report import Report, table
from strongroom.cli.words import rate, size

MIB = 1 << 20
FRAME_LENGTH = 65536


@click.command("bench")
@click.option("--mib", type=click.IntRange(1, 16384), default=256, show_default=True, metavar="N", help="MiB per call.")
@click.option(
    "--seconds", type=click.FloatRange(0.0), default=1.0, show_default=True, metavar="S", help="For each line."
)
@options.json_option
@click.pass_obj
def command(report: Report, mib: int, seconds: float) -> None:
    """Measure this machine.

    Buffers both ways, beside the bare cipher with the same frames and threads (the limit) and a plain copy of memory.
    The best call of each line counts. No room is opened.
    """
    length = mib * MIB
    figures = {name: round(length / time_taken) for name, time_taken in best(measures(length), seconds).items()}
    rows = [(name, rate(per_second, 1.0)) for name, per_second in figures.items()]
    ratios = {side: round(figures[side] / figures[f"{side} limit"], 2) for side in ("encrypt", "decrypt")}
    shares = [f"{side} reaches {ratio:.2f} of its limit" for side, ratio in ratios.items()]
    document = {"bytes": length, "bytes_per_second": figures, "share_of_limit": ratios, "doubts": doubts()}
    report.result(document, [*table([(f"{size(length)} BUFFER", "RATE"), *rows]), *shares])
    for doubt in doubts():
        report.aside(f"do not quote these figures: {doubt}")


def measures(length: int) -> dict[str, Callable[[], float]]:
    """What is measured; each call gives its seconds. Every buffer exists and is mapped before a clock starts."""
    from strongroom.client import decrypt_message_into, encrypt_message_into, encrypted_size
    from strongroom.crypto import Control, bench_limit
    from strongroom.keyring import RawAesKeyring

    keyring = RawAesKeyring("bench", "throwaway", bytes(32))
    workers = Control().workers
    plaintext, copy = bytearray(length), bytearray(length)
    message = bytearray(encrypted_size(length, keyring))
    sealed = memoryview(message)[: encrypt_message_into(plaintext, message, keyring)]

    def copy_memory() -> None:
        copy[:] = plaintext

    return {
        "memcpy": timing(copy_memory),
        "decrypt limit": lambda: bench_limit(FRAME_LENGTH, length, workers, decrypt=True),
        "decrypt": timing(lambda: decrypt_message_into(sealed, copy, keyring)),
        "encrypt limit": lambda: bench_limit(FRAME_LENGTH, length, workers),
        "encrypt": timing(lambda: encrypt_message_into(plaintext, message, keyring)),
    }


def timing(call: Callable[[], object]) -> Callable[[], float]:
    """The same call, which gives its seconds."""

    def timed() -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    return timed


def best(measures: dict[str, Callable[[], float]], seconds: float) -> dict[str, float]:
    """The fewest seconds of each, in rounds: what else runs on the machine then slows all of them alike."""
    end, fewest, rounds = time.perf_counter() + seconds * len(measures), dict.fromkeys(measures, float("inf")), 0
    while rounds < 3 or time.perf_counter() < end:
        for name, timed in measures.items():
            fewest[name] = min(fewest[name], timed())
        rounds += 1
    return fewest


def doubts() -> list[str]:
    """Why these figures should not be quoted."""
    from strongroom.crypto import Control, build_info

    load, workers = os.getloadavg()[0], Control().workers
    found = []
    if load > workers / 2:
        found.append(f"the machine is busy (load {load:.1f} for {workers} workers)")
    if build_info()["profile"] != "release":
        found.append("the extension is not a release build")
    return found
