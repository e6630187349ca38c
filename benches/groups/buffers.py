"""Memory to memory: by size, by frame length, by workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.keyring import RawAesKeyring
from strongroom.materials import decryption_materials, encryption_materials

from benches.harness.row import Group, Row, Unavailable, calls
from benches.peers import libcrypto, nacl, pyca, pycryptodome, rencrypt, tink
from benches.peers.frame import LARGE, Buffers, Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benches.harness.row import Clock
    from benches.harness.run import Scope
    from benches.peers.frame import FramePeer

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = (64, KIB, 16 * KIB, 64 * KIB, MIB, 8 * MIB, 64 * MIB, GIB)
FRAMES = (KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB)
PEERS = (pyca.into, pyca.allocating, libcrypto.peer, pycryptodome.peer, nacl.peer, tink.peer, rencrypt.peer)
WORKERS = crypto.Control().workers
KEYRING = RawAesKeyring("bench", "key", bytes(32))


def groups(scope: Scope) -> Iterator[Group]:
    """Each size at 64 KiB frames, each frame length at 64 MiB and 4 KiB at the gated sizes too, and the workers."""
    cases = [(64 * KIB, size) for size in SIZES]
    cases += [(frame, 64 * MIB) for frame in FRAMES if frame != 64 * KIB]
    cases += [(4 * KIB, 8 * MIB), (4 * KIB, GIB)]
    for frame_length, size in cases:
        name = f"buffers/{text(frame_length)} frames/{text(size)}"
        sides = [side for side in ("encrypt", "decrypt") if scope.wants(f"{name}/{side}")]
        if sides:
            yield from case(scope, name, frame_length, size, sides)
    for size in (8 * MIB, GIB):
        for side in ("encrypt", "decrypt"):
            name = f"workers/64 KiB frames/{text(size)}/{side}"
            if scope.wants(name):
                yield scaling(scope, name, size, side)


def case(scope: Scope, name: str, frame_length: int, size: int, sides: list[str]) -> Iterator[Group]:
    """One size and frame length, both ways."""
    plaintext = random_bytes(size)
    shared = Buffers(plaintext, frame_length) if size >= LARGE else None
    ours = Ours(plaintext, frame_length)
    peers = []
    for make in PEERS:
        if not scope.wants_peer(peer_name(make)):
            continue
        try:
            peer = make()
        except Unavailable as absent:
            scope.absent[peer_name(make)] = str(absent)
            continue
        for threads in peer.threads if size > frame_length else peer.threads[:1]:
            peers.append(Frames(peer, shared or Buffers(plaintext, frame_length), threads=threads))
            peers[-1].check()
    for side in sides:
        rows = [*limits(frame_length, size, side), *ours.rows(side), *(peer_row(peer, side, size) for peer in peers)]
        yield Group(f"{name}/{side}", "bytes", size, "limit", rows, rounds=scope.rounds, once=size >= GIB)
    for peer in peers:
        peer.close()


def limits(frame_length: int, size: int, side: str) -> Iterator[Row]:
    """The bare cipher on as many threads as we use, and memcpy."""
    workers = WORKERS if size > RUN else 1
    yield Row("limit", "limit", lambda count: limit(frame_length, size, workers, side, count))
    source, target = memoryview(bytearray(size)), memoryview(bytearray(size))

    def copy() -> None:
        target[:] = source

    yield Row("memcpy", "floor", calls(copy))


def limit(frame_length: int, size: int, workers: int, side: str, count: int) -> float:
    """Seconds of the bare cipher."""
    return crypto.bench_limit(min(frame_length, size), size, workers, decrypt=side == "decrypt", rounds=count)


class Ours:
    """One message under materials that are made once."""

    def __init__(self, plaintext: bytearray, frame_length: int) -> None:
        self._plaintext = plaintext
        self._materials = encryption_materials(KEYRING, frame_length=frame_length)
        self._message = bytearray(crypto.encrypted_size(self._materials, len(plaintext)))
        crypto.encrypt_into(self._materials, plaintext, self._message)
        self._header = crypto.Header.parse(self._message)
        self._opening = decryption_materials(
            self._header, KEYRING, context=None, commitment_policy="require-encrypt-require-decrypt"
        )
        self._back = bytearray(len(plaintext))
        crypto.decrypt_into(self._header, self._opening, self._message, self._back)
        if self._back != plaintext:
            raise AssertionError("we do not give back what we were given")

    def rows(self, side: str, control: crypto.Control | None = None, suffix: str = "") -> Iterator[Row]:
        """Into the caller's buffer, and new bytes."""
        if side == "encrypt":
            message = bytearray(len(self._message))  # the other stays as the decrypting rows need it
            into = calls(lambda: crypto.encrypt_into(self._materials, self._plaintext, message, control))
            fresh = calls(lambda: crypto.encrypt(self._materials, self._plaintext, control))
        else:
            opening = (self._header, self._opening, self._message)
            into = calls(lambda: crypto.decrypt_into(*opening, self._back, control))
            fresh = calls(lambda: crypto.decrypt(*opening, control))
        yield Row(f"strongroom {side}_into{suffix}", "strongroom", into)
        yield Row(f"strongroom {side}, new bytes{suffix}", "strongroom", fresh)


def peer_row(frames: Frames, side: str, size: int) -> Row:
    """A peer; where memory is shared, what it left there is made anew before its turn."""

    def prepare() -> None:
        frames.forget()
        if side == "decrypt":
            frames.seal()

    if side == "decrypt":
        frames.seal()
    job = frames.seal if side == "encrypt" else frames.open
    return Row(frames.name, "peer", calls(job, prepare if size >= LARGE else None), frames.scale)


def peer_name(make: Callable[[], FramePeer]) -> str:
    """Its module's name."""
    return make.__module__.rsplit(".", 1)[-1]


def scaling(scope: Scope, name: str, size: int, side: str) -> Group:
    """We and the limit on one worker and on more, side by side."""
    ours = Ours(random_bytes(size), 64 * KIB)
    rows = []
    for workers in counts():
        label = f", {workers} worker{'s' * (workers > 1)}"
        rows.append(Row(f"limit{label}", "limit", scaling_limit(size, workers, side)))
        rows.append(next(ours.rows(side, crypto.Control(workers), label)))
    return Group(name, "bytes", size, "limit, 1 worker", rows, rounds=scope.rounds, once=size >= GIB)


def scaling_limit(size: int, workers: int, side: str) -> Clock:
    """The limit on so many workers."""
    return lambda count: limit(64 * KIB, size, workers, side, count)


def counts() -> list[int]:
    """1, 2, 4, … and as many as there are."""
    doubling = [1 << step for step in range(WORKERS.bit_length())]
    return sorted({*doubling, WORKERS})


def random_bytes(size: int) -> bytearray:
    """Random enough for a cipher, and quickly made."""
    block = os.urandom(min(size, MIB))
    return bytearray(block * (size // len(block)))


def text(size: int) -> str:
    """A size in its largest unit."""
    for unit, name in ((GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")):
        if size >= unit:
            return f"{size // unit} {name}"
    return f"{size} B"


RUN = MIB
"""What we do not cut up for several threads."""
