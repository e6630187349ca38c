"""Spawned workers that open a pickled room."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import random
from concurrent.futures import ProcessPoolExecutor
from typing import TYPE_CHECKING

from torture.concurrency.books import Entry, entry_of
from torture.concurrency.classes import CLASSES
from torture.concurrency.trial import Trial

if TYPE_CHECKING:
    import strongroom

ROUNDS = 25


def open_pickled(trial: Trial) -> None:
    """Workers that share nothing but the room's files, and messages that go from one to the other."""
    place, dice, options, books, report = trial.place, trial.dice, trial.options, trial.books, trial.report
    with place.open() as room:
        message = room.encrypt(b"from the parent", context={"tenant": "acme"})
        tasks = [(room, message, dice.randrange(2**32)) for _ in range(2 * options.workers)]
        spawn = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(options.workers, mp_context=spawn) as pool:
            results = list(pool.map(work, tasks))
        report.controls["a key that would travel in a pickle"] = keys_do_not_travel(room)
        processes = {process for process, _, _, _ in results}
        for _, entries, sample, wrong in results:
            books.put(entries)
            report.count("messages of spawned workers", len(entries))
            report.found += wrong
            if room.decrypt(sample) != b"from a worker":
                report.found.append("a worker's message came back wrong")
    report.count("spawned workers", len(processes))


def work(task: tuple[strongroom.Room, bytes, int]) -> tuple[int, list[Entry], bytes, list[str]]:
    """In a worker: read what the parent wrote, and write."""
    room, message, seed = task
    dice, entries, wrong = random.Random(seed), [], []
    with room:
        if room.decrypt(message, context={"tenant": "acme"}) != b"from the parent":
            wrong.append("the parent's message came back wrong in a worker")
        for _ in range(ROUNDS):
            items = [dice.randbytes(dice.randrange(5000)) for _ in range(4)]
            keys = dice.choice(list(CLASSES))
            messages = room.encrypt_many(items, data_class=keys)
            entries += [entry_of(made, len(item)) for made, item in zip(messages, items, strict=True)]
            if room.decrypt_many(messages) != items:
                wrong.append("a worker's messages came back wrong")
        sample = room.encrypt(b"from a worker")
    return os.getpid(), entries, sample, wrong


def keys_do_not_travel(room: strongroom.Room) -> bool:
    """Whether a key object refuses to be pickled."""
    try:
        pickle.dumps(room._service._root._key)
    except TypeError:
        return True
    return False
