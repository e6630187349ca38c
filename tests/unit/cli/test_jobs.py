import _thread
import signal
import threading
import time
from typing import TYPE_CHECKING, cast

import pytest
from strongroom.cli import jobs
from unit.cli.fakes import FakeControl

if TYPE_CHECKING:
    from strongroom import Control


def test_a_result_and_an_error_come_back() -> None:
    assert jobs.run(lambda: 7, control()) == 7
    with pytest.raises(ZeroDivisionError):
        jobs.run(lambda: 1 // 0, control())


def test_progress_is_shown_while_it_runs() -> None:
    seen: list[object] = []
    jobs.run(lambda: time.sleep(0.35), control(), seen.append)
    assert len(seen) >= 2


def test_ctrl_c_cancels_the_job_and_waits_for_it() -> None:
    cancelled = threading.Event()
    asked = control()
    asked.cancel = cancelled.set  # type: ignore[method-assign]
    ended: list[bool] = []

    def work() -> None:
        _thread.interrupt_main(signal.SIGINT)
        ended.append(cancelled.wait(5))

    with pytest.raises(KeyboardInterrupt):
        jobs.run(work, asked)
    assert ended == [True]


def control() -> "Control":
    return cast("Control", FakeControl())
