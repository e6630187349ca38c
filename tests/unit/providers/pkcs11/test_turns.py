"""Places are given in order, and none is lost."""

import threading
import time

from strongroom.providers.pkcs11.turns import Turns


def test_a_place_goes_to_whoever_has_waited_longest() -> None:
    turns, order = Turns(1), []
    assert turns.take(0)

    def wait(number: int) -> None:
        assert turns.take(30)
        order.append(number)
        turns.give_back()

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=wait, args=(number,)))
        threads[-1].start()
        while len(turns._queue) <= number:
            time.sleep(0.001)
    turns.give_back()
    for thread in threads:
        thread.join()
    assert order == [0, 1, 2, 3, 4]
    assert turns.take(0)


def test_nobody_is_overtaken() -> None:
    """With a semaphore, whoever gives a place back takes it again at once."""
    turns, counts, stop = Turns(2), [0] * 6, time.monotonic() + 0.5

    def work(which: int) -> None:
        while time.monotonic() < stop:
            assert turns.take(30)
            counts[which] += 1
            time.sleep(0.001)
            turns.give_back()

    threads = [threading.Thread(target=work, args=(which,)) for which in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(counts) <= 2 * min(counts) + 2


def test_who_gives_up_takes_nothing_along() -> None:
    turns = Turns(1)
    assert turns.take(0)
    assert not turns.take(0.01)
    turns.give_back()
    assert turns.take(0)
    assert not turns.take(0)
