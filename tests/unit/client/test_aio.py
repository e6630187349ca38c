"""Asynchronous twins: nothing is cancelled before its thread has let go of the caller's buffers."""

import asyncio
import threading
import time

import pytest
from strongroom.client.aio import twin
from strongroom.crypto import Control


class Worker:
    def __init__(self) -> None:
        self.started = threading.Event()
        self.ended = False

    def work(self, control: Control | None = None) -> None:
        assert control is not None
        self.started.set()
        while not control.cancelled:
            time.sleep(0.001)
        time.sleep(0.05)
        self.ended = True

    awork = twin(work)


def test_cancelling_again_and_again_still_waits() -> None:
    async def main() -> None:
        worker = Worker()
        task = asyncio.create_task(worker.awork())
        await asyncio.to_thread(worker.started.wait)
        while not task.done():
            task.cancel()
            await asyncio.sleep(0.001)
        assert worker.ended
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_the_end_of_the_loop_waits_too() -> None:
    worker, seen = Worker(), []

    async def main() -> None:
        task = asyncio.create_task(worker.awork())
        task.add_done_callback(lambda _: seen.append(worker.ended))
        await asyncio.to_thread(worker.started.wait)

    asyncio.run(main())
    assert seen == [True]
