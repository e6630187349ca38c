"""Coroutines cancelled at random instants: no buffer is touched once they have ended, and files are whole or absent."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from strongroom.errors import StrongroomError

from torture.concurrency.trial import Trial

if TYPE_CHECKING:
    import strongroom

MIB = 1 << 20
SENTINEL = 0xA5


def cancel_coroutines(trial: Trial) -> None:
    """Start them, cancel them once or more, and look at what they leave."""
    with trial.place.open() as room:
        asyncio.run(Canceller(room, trial).run(trial.options.cancels))


class Canceller:
    """Calls of every kind, and what each may leave when it is cancelled."""

    def __init__(self, room: strongroom.Room, trial: Trial) -> None:
        folder = trial.place.folder
        self.room = room
        self.folder = folder
        self.dice = trial.dice
        self.books = trial.books
        self.report = trial.report
        self.data = os.urandom(8 * MIB)
        (folder / "source").write_bytes(self.data)
        (folder / "tree").mkdir()
        for number in range(200):
            (folder / "tree" / str(number)).write_bytes(os.urandom(2000))

    async def run(self, times: int) -> None:
        """So many calls, four at once; then the control."""
        for start in range(0, times, 4):
            await asyncio.gather(*(self.attempt(number) for number in range(start, min(start + 4, times))))
        if (
            await self.room.aencrypt(b"still there") is None
            or self.room.decrypt(await self.room.aencrypt(b"x")) != b"x"
        ):
            self.report.found.append("a room does not work after its coroutines were cancelled")
        self.report.controls["a buffer that is written once its coroutine has ended"] = await self.planted()

    async def attempt(self, number: int) -> None:
        """One call, cancelled at a random instant of its life, and often again before it has ended."""
        call = self.dice.choice([self.into, self.file, self.many, self.tree, self.back])
        task, look = call(self.folder / f"{number}")
        await asyncio.sleep(self.dice.choice([0, self.dice.uniform(0, 0.03), self.dice.uniform(0, 0.3)]))
        for _ in range(self.dice.choice([1, 1, 3])):
            task.cancel()
            await asyncio.sleep(0)
        try:
            await task
        except asyncio.CancelledError:
            self.report.count("coroutines cancelled at work")
            self.report.found += look(ended=False)
        except StrongroomError as error:
            self.report.found.append(f"a cancelled coroutine raised {type(error).__name__}: {error}")
        else:
            self.report.count("coroutines that were faster")
            self.report.found += look(ended=True)

    def into(self, path: Path) -> tuple[asyncio.Task[Any], Callable[..., list[str]]]:
        """Into a buffer, which is the caller's again afterwards."""
        out = bytearray(self.room.encrypted_size(len(self.data)))
        return asyncio.create_task(self.room.aencrypt_into(self.data, out)), lambda ended: still(out, ended=ended)

    def file(self, path: Path) -> tuple[asyncio.Task[Any], Callable[..., list[str]]]:
        """Into a file."""

        def look(*, ended: bool) -> list[str]:
            if not path.exists():
                return ["a coroutine ended and left no file"] if ended else []
            self.books.add(path.read_bytes(), len(self.data))
            return [] if self.room.decrypt(path.read_bytes()) == self.data else ["a file was left that is not whole"]

        return asyncio.create_task(self.room.aencrypt_file(self.folder / "source", path)), look

    def back(self, path: Path) -> tuple[asyncio.Task[Any], Callable[..., list[str]]]:
        """Out of a message, into a buffer."""
        message, out = self.room.encrypt(self.data), bytearray(len(self.data))
        self.books.add(message, len(self.data))
        return asyncio.create_task(self.room.adecrypt_into(message, out)), lambda ended: still(out, ended=ended)

    def many(self, path: Path) -> tuple[asyncio.Task[Any], Callable[..., list[str]]]:
        """Many messages."""
        items = [self.data[at : at + 5000] for at in range(0, 2 * MIB, 5000)]
        return asyncio.create_task(self.room.aencrypt_many(items, data_class="fifty")), lambda ended: []  # noqa: ARG005

    def tree(self, path: Path) -> tuple[asyncio.Task[Any], Callable[..., list[str]]]:
        """A tree, which another run completes."""

        def look(*, ended: bool) -> list[str]:  # noqa: ARG001 - its outcome must be the same
            self.room.encrypt_tree(self.folder / "tree", path, resume=path.exists())
            result = self.room.verify(path)
            return [] if getattr(result, "files", 0) == 200 else ["a cancelled tree was not completed by the next run"]

        return asyncio.create_task(self.room.aencrypt_tree(self.folder / "tree", path)), look

    async def planted(self) -> bool:
        """A twin that does not wait for its thread is seen to write afterwards."""

        def late(out: bytearray) -> None:
            time.sleep(0.1)
            out[0] = 0

        out = bytearray(100)
        task = asyncio.create_task(asyncio.to_thread(late, out))
        await asyncio.sleep(0.01)
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            return bool(still(out, ended=False, wait=0.3))
        return False


def still(out: bytearray, *, ended: bool, wait: float = 0.005) -> list[str]:
    """Whether anybody else writes into a buffer that is the caller's again."""
    if ended:
        return []
    out[:] = bytes([SENTINEL]) * len(out)
    time.sleep(wait)
    return [] if out.count(SENTINEL) == len(out) else ["a buffer was written after its coroutine had ended"]
