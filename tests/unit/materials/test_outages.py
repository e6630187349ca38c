"""A backend that is away is waited for once, by whoever asks first, and not by each of those who wait for the same."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from strongroom.crypto import MaterialsCache
from strongroom.errors import AccessDenied, KeystoreUnavailable, StrongroomError, TokenFault
from strongroom.materials.outages import Outages

KEY, OTHER = bytes(32), bytes([1]) * 32
CALLERS = 8


class Backend:
    """Fails once all callers wait for it; counts how often it is asked."""

    def __init__(self, error: StrongroomError) -> None:
        self.error = error
        self.asked = 0
        self.gate = threading.Event()

    def fetch(self) -> tuple[object, ...]:
        self.asked += 1
        assert self.gate.wait(60)
        raise self.error


def failures(backend: Backend) -> list[StrongroomError]:
    """What so many callers get that ask for one key while the first of them waits."""
    cache, outages = MaterialsCache(4), Outages(4)
    ready = threading.Barrier(CALLERS + 1)

    def call() -> StrongroomError:
        shared = outages.shared(KEY, backend.fetch)
        ready.wait()
        with pytest.raises(StrongroomError) as failed:
            cache.get_or_fetch(KEY, 1, 1, shared)
        return failed.value

    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(call) for _ in range(CALLERS)]
        ready.wait()
        backend.gate.set()
        return [done.result() for done in calls]


def test_whoever_waited_gets_the_failure_of_who_asked() -> None:
    backend = Backend(TokenFault("C_Encrypt did not return in time", "late"))
    failed = failures(backend)
    assert backend.asked == 1
    assert {(type(error), str(error), getattr(error, "reason", None)) for error in failed} == {
        (TokenFault, "C_Encrypt did not return in time", "late")
    }


def test_what_is_not_an_outage_is_each_callers_own() -> None:
    backend = Backend(AccessDenied("not you"))
    failures(backend)
    assert backend.asked == CALLERS


def test_who_asks_after_it_tries_anew_and_other_keys_are_not_concerned() -> None:
    outages = Outages(4)
    answers: list[object] = [KeystoreUnavailable("away")]

    def fetch() -> object:
        answer = answers.pop()
        if isinstance(answer, Exception):
            raise answer
        return answer

    waiting, another = outages.shared(KEY, fetch), outages.shared(OTHER, fetch)
    with pytest.raises(KeystoreUnavailable):
        outages.shared(KEY, fetch)()
    answers += ["for the next", "for the other"]
    assert another() == "for the other"
    with pytest.raises(KeystoreUnavailable):
        waiting()
    assert outages.shared(KEY, fetch)() == "for the next"
    answers.append("once it was back")
    assert waiting() == "once it was back"


def test_memory_is_bounded() -> None:
    outages = Outages(3)

    def fetch() -> None:
        raise KeystoreUnavailable("away")

    for number in range(100):
        with pytest.raises(KeystoreUnavailable):
            outages.shared(number.to_bytes(32, "big"), fetch)()
    assert len(outages._failed) <= 3
