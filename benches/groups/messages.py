"""Many short plaintexts, each a message of its own: in a room and under a raw keyring, data keys cached."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import strongroom
from strongroom import crypto
from strongroom.client import CachingKeyring, decrypt_message, decrypt_messages, encrypt_message, encrypt_messages

from benches.groups import ours
from benches.harness.row import Group, Row, Unavailable, calls
from benches.peers import aws_sdk, pyca, tink

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from strongroom.client.room import Room

    from benches.harness.run import Scope
    from benches.peers.message import MessagePeer

    Each = Callable[[bytes], bytes]
    Many = Callable[[list[bytes], crypto.Control], list[bytes]]

SIZE = 1 << 10
COUNT = 10_000
KEYRING = CachingKeyring(ours.KEYRING)
WORKERS = crypto.Control().workers
PEERS = (aws_sdk.cached, aws_sdk.keyring, tink.record, pyca.record)


def groups(scope: Scope) -> Iterator[Group]:
    """One at a time and in one call, both ways."""
    for way, make in (("one at a time", one_at_a_time), ("in one call", in_one_call)):
        for side in ("encrypt", "decrypt"):
            name = f"messages/1 KiB/{side} {way}"
            if scope.wants(name):
                with tempfile.TemporaryDirectory(dir=scope.disk) as folder, opened_room(Path(folder)) as room:
                    rows = list(make(scope, side, room))
                    yield Group(name, "messages", COUNT, "floor, 1 worker", rows, rounds=scope.rounds)


def one_at_a_time(scope: Scope, side: str, room: Room) -> Iterator[Row]:
    """A call for each, beside peers of which the fastest seal no messages but bare records."""
    plaintexts = random_plaintexts()
    yield floor(side, 1)
    yield each_row("strongroom, a raw keyring", "strongroom", ours_each(side), inputs(side, plaintexts))
    in_room: Each = room.encrypt if side == "encrypt" else room.decrypt
    sealed = plaintexts if side == "encrypt" else room.encrypt_many(plaintexts)
    yield each_row("strongroom, a room that records", "strongroom", in_room, sealed)
    for peer in available(scope):
        peer.check(plaintexts[0])
        some = plaintexts[: max(int(COUNT * peer.share), 1)]
        if side == "decrypt":
            some = [peer.seal(plaintext) for plaintext in some]
        yield each_row(peer.name, "peer", peer.seal if side == "encrypt" else peer.open, some)


def in_one_call(_scope: Scope, side: str, room: Room) -> Iterator[Row]:
    """All of them, on one worker and on all."""
    plaintexts = random_plaintexts()
    raw, in_room = ours_many(side, room)
    given = inputs(side, plaintexts)
    given_room = plaintexts if side == "encrypt" else room.encrypt_many(plaintexts)
    for workers in sorted({1, WORKERS}):
        yield floor(side, workers)
        yield many_row("strongroom, a raw keyring", raw, given, workers)
        yield many_row("strongroom, a room that records", in_room, given_room, workers)


def floor(side: str, workers: int) -> Row:
    """What the crypto library alone takes."""

    def clock(count: int) -> float:
        return sum(crypto.bench_messages(COUNT, SIZE, workers, decrypt=side == "decrypt") for _ in range(count))

    return Row(f"floor{on(workers)}", "floor", clock)


def each_row(name: str, kind: str, call: Each, given: list[bytes]) -> Row:
    """A call for each of what is given."""

    def job() -> None:
        for one in given:
            call(one)

    return Row(name, kind, calls(job), len(given) / COUNT)


def many_row(name: str, call: Many, given: list[bytes], workers: int) -> Row:
    """One call."""
    control = crypto.Control(workers)
    return Row(f"{name}{on(workers)}", "strongroom", calls(lambda: call(given, control)))


def ours_each(side: str) -> Each:
    """The public function for one message."""
    if side == "encrypt":
        return lambda plaintext: encrypt_message(plaintext, KEYRING)
    return lambda message: decrypt_message(message, KEYRING)


def ours_many(side: str, room: Room) -> tuple[Many, Many]:
    """The public functions for many messages, under a keyring and in a room."""
    if side == "encrypt":
        return (
            lambda given, control: encrypt_messages(given, KEYRING, control=control),
            lambda given, control: room.encrypt_many(given, control=control),
        )
    return (
        lambda given, control: decrypt_messages(given, KEYRING, control=control),
        lambda given, control: room.decrypt_many(given, control=control),
    )


def inputs(side: str, plaintexts: list[bytes]) -> list[bytes]:
    """What the side starts from; checks that we give back what we were given."""
    messages = encrypt_messages(plaintexts, KEYRING)
    if decrypt_messages(messages, KEYRING) != plaintexts:
        raise AssertionError("we do not give back what we were given")
    return plaintexts if side == "encrypt" else messages


def available(scope: Scope) -> Iterator[MessagePeer]:
    """The peers that are asked for and installed."""
    for make in PEERS:
        name = make.__module__.rsplit(".", 1)[-1]
        if not scope.wants_peer(name):
            continue
        try:
            yield make()
        except Unavailable as absent:
            scope.absent[name] = str(absent)


def opened_room(folder: Path) -> Room:
    """A new room, whose audit trail is durable as every room's is."""
    home, key = folder / "room", folder / "key"
    strongroom.init(home, make_key_file=key)
    return strongroom.open(home, key_file=key)


def random_plaintexts() -> list[bytes]:
    """All different."""
    return [os.urandom(SIZE) for _ in range(COUNT)]


def on(workers: int) -> str:
    """How a row says its workers."""
    return f", {workers} worker{'s' * (workers > 1)}"
