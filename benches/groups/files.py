"""One large file into another: in memory against everybody, and on a disk against a durable copy."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from strongroom import crypto

from benches.groups import ours
from benches.harness.row import Group, Row, Unavailable, calls, clocked
from benches.peers import age, aws_sdk, cp, gpg, openssl, pyca_file, tink_streaming
from benches.peers.file import Workplace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import ModuleType

    from benches.harness.run import Scope
    from benches.peers.command import Command
    from benches.peers.file import FilePeer

    Make = Callable[[Path], FilePeer]
    Peer = TypeVar("Peer", FilePeer, Command)

SIZE = 1 << 30
FRAME = 64 << 10
WORKERS = crypto.Control().workers


def groups(scope: Scope) -> Iterator[Group]:
    """A GiB, both ways."""
    for place, make in (("tmpfs", in_memory), ("disk", on_disk)):
        name = f"files/{place}/1 GiB"
        sides = [side for side in ("encrypt", "decrypt") if scope.wants(f"{name}/{side}")]
        if sides:
            with tempfile.TemporaryDirectory(dir=scope.folder if place == "tmpfs" else scope.disk) as folder:
                yield from make(scope, name, Path(folder), sides)


def in_memory(scope: Scope, name: str, folder: Path, sides: list[str]) -> Iterator[Group]:
    """Us and everybody, against the same reads and writes without a cipher and the cipher without them."""
    work = Workplace(folder, SIZE)
    mine = [ours.library(), ours.command(folder)]
    peers = list(available(scope, folder, PEERS))
    for peer in (*mine, *peers):
        work.check(peer)
    copier = cp.peer(folder)
    for side in sides:
        rows = [*floors(work, mine[0], side), *(row(work, peer, side, "strongroom") for peer in mine)]
        rows += [*(row(work, peer, side) for peer in peers), row(work, copier, side, "floor")]
        yield Group(f"{name}/{side}", "bytes", SIZE, "floor", rows, rounds=scope.rounds, once=True)


def on_disk(scope: Scope, name: str, folder: Path, sides: list[str]) -> Iterator[Group]:
    """Us against a copy that is as durable."""
    work = Workplace(folder, SIZE)
    mine, copier = ours.library(), cp.durable(folder)
    work.check(mine)
    for side in sides:
        rows = [row(work, copier, side, "floor"), row(work, mine, side, "strongroom")]
        yield Group(f"{name}/{side}", "bytes", SIZE, copier.name, rows, rounds=scope.rounds, once=True)


def available(scope: Scope, folder: Path, makes: Iterable[Callable[[Path], Peer]]) -> Iterator[Peer]:
    """The peers that are asked for and installed."""
    for make in makes:
        name = make.__module__.rsplit(".", 1)[-1]
        if not scope.wants_peer(name):
            continue
        try:
            peer = make(folder)
        except Unavailable as absent:
            scope.absent[name] = str(absent)
            continue
        if peer.version:
            scope.versions[name] = peer.version
        yield peer


def floors(work: Workplace, peer: FilePeer, side: str) -> Iterator[Row]:
    """What no cipher and no file job can beat when it does the one after the other.

    As many files lie in memory as beside a peer: where a host takes back free memory, the third of them costs several
    times what the second does.
    """
    source, before = work.plaintext(), work.clear
    if side == "decrypt":
        source, before = work.sealed, functools.partial(work.seal_anew, peer)

    def copy() -> float:
        return crypto.bench_copy(source, work.opened, WORKERS)

    def limit() -> float:
        return crypto.bench_limit(FRAME, work.size, WORKERS, decrypt=side == "decrypt")

    yield Row("floor", "floor", clocked(lambda: copy() + limit(), before))
    yield Row("copy without cipher", "floor", clocked(copy, before))
    yield Row("limit", "limit", clocked(limit, work.clear))


def row(work: Workplace, peer: FilePeer, side: str, kind: str = "peer") -> Row:
    """One direction of a peer."""
    if side == "encrypt":
        clock = calls(lambda: work.seal(peer), work.clear)
    else:
        clock = calls(lambda: work.open(peer), lambda: work.seal_anew(peer))
    return Row(peer.name, kind, clock, peer.share)


def on_files(module: ModuleType) -> Make:
    """A program from a file into a file."""

    def make(folder: Path) -> FilePeer:
        command: Command = module.peer(folder)
        return command.on_files()

    make.__module__ = module.__name__
    return make


PEERS = (
    pyca_file.peer,
    aws_sdk.default_file,
    aws_sdk.large_file,
    aws_sdk.best_file,
    tink_streaming.peer,
    on_files(age),
    on_files(openssl),
    on_files(gpg),
)
