"""`strongroom bench`."""

from __future__ import annotations

import time
from collections.abc import Callable

import click

from strongroom.cli import options
from strongroom.cli.report import Report, table
from strongroom.cli.words import rate, size

MIB = 1 << 20


@click.command("bench")
@click.option("--mib", type=click.IntRange(1, 16384), default=256, show_default=True, metavar="N", help="MiB per call.")
@click.option(
    "--seconds", type=click.FloatRange(0.0), default=1.0, show_default=True, metavar="S", help="For each line."
)
@options.json_option
@click.pass_obj
def command(report: Report, mib: int, seconds: float) -> None:
    """Measure this machine.

    Buffers both ways, beside a plain copy of memory. The best call of each line counts. No room is opened.
    """
    figures = {name: best(call, mib * MIB, seconds) for name, call in calls(mib * MIB).items()}
    rows = [(name, rate(per_second, 1.0)) for name, per_second in figures.items()]
    report.result(
        {"bytes": mib * MIB, "bytes_per_second": figures}, table([(f"{size(mib * MIB)} BUFFER", "RATE"), *rows])
    )


def calls(length: int) -> dict[str, Callable[[], object]]:
    """Map names to what is measured. Every buffer exists and is mapped before the clock starts."""
    from strongroom.client import decrypt_message_into, encrypt_message_into, encrypted_size
    from strongroom.keyring import RawAesKeyring

    keyring = RawAesKeyring("bench", "throwaway", bytes(32))
    plaintext, copy = bytearray(length), bytearray(length)
    message = bytearray(encrypted_size(length, keyring))
    written = encrypt_message_into(plaintext, message, keyring)
    sealed = memoryview(message)[:written]

    def copy_memory() -> None:
        copy[:] = plaintext

    return {
        "memcpy": copy_memory,
        "decrypt": lambda: decrypt_message_into(sealed, copy, keyring),
        "encrypt": lambda: encrypt_message_into(plaintext, message, keyring),
    }


def best(call: Callable[[], object], length: int, seconds: float) -> int:
    """Bytes a second of the fastest call within `seconds`; at least three calls."""
    fastest, end, count = float("inf"), time.perf_counter() + seconds, 0
    while count < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - start)
        count += 1
    return round(length / fastest)
