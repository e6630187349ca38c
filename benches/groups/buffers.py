"""Memory to memory: by size, by frame length, by workers."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.materials import encryption_materials

from benches.groups.ours import KEYRING, opening
from benches.harness.row import Group, Row, Unavailable, calls
from benches.peers import libcrypto, nacl, pyca, pycryptodome, rencrypt, tink
from benches.peers.frame import Buffers, Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benches.harness.run import Scope
    from benches.peers.frame import FramePeer

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
SIZES = (64, KIB, 16 * KIB, 64 * KIB, MIB, 8 * MIB, 64 * MIB, GIB)
FRAMES = (KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB)
PEERS = (pyca.into, pyca.allocating, libcrypto.peer, pycryptodome.peer, nacl.peer, tink.peer, rencrypt.peer)
WORKERS = crypto.Control().workers


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
    """One size and frame length, both ways; all rows work in the same memory, as its pages differ in speed."""
    buffers = Buffers(random_bytes(size), frame_length)
    ours = Ours(buffers, frame_length)
    peers = list(frame_peers(scope, buffers))
    for side in sides:
        rows = [limit_row(buffers, ours.body, WORKERS if size > WORTH_A_THREAD else 1, side), memcpy_row(buffers)]
        rows += [*ours.rows(side), *(peer_row(peer, side) for peer in peers)]
        yield Group(f"{name}/{side}", "bytes", size, "limit", rows, rounds=rounds(scope, size), once=size >= GIB)
    for peer in peers:
        peer.close()


def rounds(scope: Scope, size: int) -> int:
    """More where the data lie in the cache that all cores share, perhaps with neighbours: those rows swing most."""
    return scope.rounds * 3 if MIB <= size < 64 * MIB else scope.rounds


def frame_peers(scope: Scope, buffers: Buffers) -> Iterator[Frames]:
    """Every peer that is asked for and here, seen to do its work, on each number of threads that suits it."""
    for make in PEERS:
        if not scope.wants_peer(peer_name(make)):
            continue
        try:
            peer = make()
        except Unavailable as absent:
            scope.absent[peer_name(make)] = str(absent)
            continue
        for threads in peer.threads if len(buffers.plaintext) > buffers.frame_length else peer.threads[:1]:
            frames = Frames(peer, buffers, threads=threads)
            frames.check()
            yield frames


def limit_row(buffers: Buffers, body: memoryview, workers: int, side: str, name: str = "limit") -> Row:
    """The bare cipher on as many threads as we use, and on frames where ours are: where data stand in cache lines decides
    up to a third of the time once they come from memory."""
    frame_length = min(buffers.frame_length, len(buffers.plaintext))
    opened = buffers.opened if side == "decrypt" else None

    def clock(count: int) -> float:
        return crypto.bench_limit_in(frame_length, buffers.plaintext, body, workers, opened=opened, rounds=count)

    return Row(name, "limit", clock)


def memcpy_row(buffers: Buffers) -> Row:
    """One thread that moves as many bytes."""
    source, target = buffers.plaintext, buffers.opened[: len(buffers.plaintext)]

    def copy() -> None:
        target[:] = source

    return Row("memcpy", "floor", calls(copy))


class Ours:
    """One message under materials that are made once."""

    def __init__(self, buffers: Buffers, frame_length: int) -> None:
        self._materials = encryption_materials(KEYRING, frame_length=frame_length)
        self._plaintext = buffers.plaintext
        size = crypto.encrypted_size(self._materials, len(buffers.plaintext))
        self._message = buffers.sealed[:size]
        self._back = buffers.opened[: len(buffers.plaintext)]
        self._anew()
        self._unseal()
        if self._back != self._plaintext:
            raise AssertionError("we do not give back what we were given")

    @property
    def body(self) -> memoryview:
        """Where the frames of its message are."""
        return self._message[len(self._header) :]

    def rows(self, side: str, control: crypto.Control | None = None, suffix: str = "") -> list[Row]:
        """Into the caller's buffer, and new bytes."""
        if side == "encrypt":
            return [
                Row(f"strongroom encrypt_into{suffix}", "strongroom", calls(lambda: self._seal(control))),
                Row(f"strongroom encrypt, new bytes{suffix}", "strongroom", calls(lambda: self._new_message(control))),
            ]
        into, fresh = calls(lambda: self._unseal(control)), calls(lambda: self._new_plaintext(control))
        return [
            Row(f"strongroom decrypt_into{suffix}", "strongroom", into, prepare=self._anew),
            Row(f"strongroom decrypt, new bytes{suffix}", "strongroom", fresh, prepare=self._anew),
        ]

    def _seal(self, control: crypto.Control | None = None) -> None:
        crypto.encrypt_into(self._materials, self._plaintext, self._message, control)

    def _new_message(self, control: crypto.Control | None) -> bytes:
        return crypto.encrypt(self._materials, self._plaintext, control)

    def _anew(self) -> None:
        self._seal()
        self._opening()

    def _opening(self) -> None:
        self._header = crypto.Header.parse(self._message)
        self._materials_of_reader = opening(self._header)

    def _unseal(self, control: crypto.Control | None = None) -> None:
        crypto.decrypt_into(self._header, self._materials_of_reader, self._message, self._back, control)

    def _new_plaintext(self, control: crypto.Control | None) -> bytes:
        return crypto.decrypt(self._header, self._materials_of_reader, self._message, control)


def peer_row(frames: Frames, side: str) -> Row:
    """A peer. What it returned is freed before each sample of a large size, as nobody keeps two results."""

    def prepare() -> None:
        frames.forget()
        if side == "decrypt":
            frames.seal()

    job = frames.seal if side == "encrypt" else frames.open
    return Row(frames.name, "peer", calls(job), frames.scale, prepare)


def peer_name(make: Callable[[], FramePeer]) -> str:
    """Its module's name."""
    return make.__module__.rsplit(".", 1)[-1]


def scaling(scope: Scope, name: str, size: int, side: str) -> Group:
    """We and the limit on one worker and on more, side by side."""
    buffers = Buffers(random_bytes(size), 64 * KIB)
    ours = Ours(buffers, 64 * KIB)
    rows = []
    for workers in counts():
        label = f", {workers} worker{'s' * (workers > 1)}"
        rows.append(limit_row(buffers, ours.body, workers, side, f"limit{label}"))
        rows.append(ours.rows(side, crypto.Control(workers), label)[0])
    return Group(name, "bytes", size, "limit, 1 worker", rows, rounds=rounds(scope, size), once=size >= GIB)


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


WORTH_A_THREAD = 4 * MIB
"""Below, our calls stay on one thread, and so does the limit."""
