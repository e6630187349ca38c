"""The official AWS Encryption SDKs in other languages, where they have been built: what a user would pick instead."""

from __future__ import annotations

from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client import decrypt_message, encrypt_message

from benches.groups import ours
from benches.harness.row import Group, Row, Unavailable, calls
from benches.peers import sdks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benches.harness.run import Scope

MIB = 1 << 20
FRAME = 64 << 10
COUNT = 1000
MAKES = (sdks.rust, sdks.go, sdks.java, sdks.java_caching)
WORKERS = crypto.Control().workers


def groups(scope: Scope) -> Iterator[Group]:
    """A buffer of 64 MiB in new bytes, and messages of 1 KiB one at a time."""
    for side in ("encrypt", "decrypt"):
        buffer, messages = f"sdks/64 MiB/{side}", f"sdks/1 KiB messages/{side}"
        if scope.wants(buffer) and (peers := available(scope)):
            rows = [limit(side), strongroom(side, 64 * MIB, 1), *(row(peer, side, 64 * MIB, 1) for peer in peers)]
            yield Group(buffer, "bytes", 64 * MIB, "limit", rows, rounds=scope.rounds, once=True)
        if scope.wants(messages) and (peers := available(scope)):
            rows = [floor(side), strongroom(side, 1024, COUNT), *(row(peer, side, 1024, COUNT) for peer in peers)]
            yield Group(messages, "messages", COUNT, "floor", rows, rounds=scope.rounds, once=True)


def available(scope: Scope) -> list[sdks.Sdk]:
    """Those that are built, if they are asked for."""
    found = []
    for make in MAKES if scope.wants_peer("sdks") else ():
        try:
            found.append(make())
        except Unavailable as absent:
            scope.absent[f"sdks: {make.__name__}"] = str(absent)
    return found


def limit(side: str) -> Row:
    """The bare cipher."""

    def clock(count: int) -> float:
        return crypto.bench_limit(FRAME, 64 * MIB, WORKERS, decrypt=side == "decrypt", rounds=count)

    return Row("limit", "limit", clock)


def floor(side: str) -> Row:
    """The crypto library alone, on one thread."""

    def clock(count: int) -> float:
        return crypto.bench_messages(COUNT * count, 1024, 1, decrypt=side == "decrypt")

    return Row("floor", "floor", clock)


def strongroom(side: str, size: int, messages: int) -> Row:
    """A call for each message, and a data key for each as under their keyrings; every result is new bytes, as theirs."""
    plaintext = bytes([7]) * size
    message = encrypt_message(plaintext, ours.KEYRING)
    if decrypt_message(message, ours.KEYRING) != plaintext:
        raise AssertionError("we do not give back what we were given")

    def job() -> None:
        for _ in range(messages):
            if side == "encrypt":
                encrypt_message(plaintext, ours.KEYRING)
            else:
                decrypt_message(message, ours.KEYRING)

    return Row("strongroom", "strongroom", calls(job))


def row(peer: sdks.Sdk, side: str, size: int, messages: int) -> Row:
    """A process that does all of it."""
    return Row(peer.name, "peer", lambda count: peer.seconds(side, size, FRAME, messages * count))
