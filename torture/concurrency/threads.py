"""Many threads in one room, and a signal handler that uses it too."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import threading
import time
import traceback
from collections import Counter, deque
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from strongroom.errors import AuthenticationFailed, Misuse

from torture.concurrency.books import Books
from torture.concurrency.classes import CLASSES
from torture.concurrency.trial import Trial

if TYPE_CHECKING:
    import strongroom


def share_room(trial: Trial) -> None:
    """All threads at once for a while, then what they found."""
    place, dice, options, books, report = trial.place, trial.dice, trial.options, trial.books, trial.report
    with place.open() as room:
        crowd = Crowd(room, place.folder / "shared", books)
        users = [User(crowd, random.Random(f"{dice.random()} {number}"), number) for number in range(options.threads)]
        threads = [threading.Thread(target=user.work) for user in users]
        alone = interrupt_ourselves(crowd, dice, time.monotonic() + options.seconds / 5)
        crowd.until = time.monotonic() + options.seconds
        for thread in threads:
            thread.start()
        handled = interrupt_ourselves(crowd, dice, crowd.until)
        for thread in threads:
            thread.join()
        stats, handled = room.cache_stats(), handled + alone
    report.count("calls by threads", sum(user.calls for user in users))
    report.count("calls by a signal handler", handled.total())
    report.found += crowd.wrong[:20]
    report.notes.append(
        f"{options.threads} threads for {options.seconds:g} s: {stats['hits']:,} hits, {stats['misses']:,} misses,"
        f" {stats['refreshes']:,} refreshes, {stats['evictions']:,} evictions; the handler was served"
        f" {handled['served']:,} times and refused {handled['refused']:,} times"
    )


class Crowd:
    """What all threads share."""

    def __init__(self, room: strongroom.Room, folder: Path, books: Books) -> None:
        folder.mkdir()
        self.rooms = [room, room.acting_as(principal="bob"), room.acting_as(purpose="other")]
        self.folder = folder
        self.books = books
        self.until = 0.0
        self.wrong: list[str] = []
        self.messages: deque[tuple[bytes, bytes, str]] = deque(maxlen=400)
        """Messages of all threads, with the digest of what they hold and their context."""


class User:
    """One thread: random calls, each of which is checked."""

    def __init__(self, crowd: Crowd, dice: random.Random, number: int) -> None:
        self.crowd = crowd
        self.dice = dice
        self.path = crowd.folder / str(number)
        self.calls = 0

    def work(self) -> None:
        """Call after call until the time is over."""
        while time.monotonic() < self.crowd.until:
            call = self.dice.choice(CALLS)
            try:
                call(self)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is a find
                where = traceback.extract_tb(error.__traceback__)[-1]
                self.crowd.wrong.append(f"{call.__name__}: {error!r} at {where.filename}:{where.lineno}")
            self.calls += 1

    def small(self) -> None:
        """A message there and back."""
        data, keys, context = self.plaintext(), self.keys(), self.context()
        message = self.room().encrypt(data, data_class=keys, context={"tenant": context})
        self.booked(message, data, context)
        self.must(self.room().decrypt(message, context={"tenant": context}) == data, "a message")

    def into(self) -> None:
        """The same through buffers of its own."""
        data, room = self.plaintext(), self.room()
        keys, context = self.keys(), {"tenant": self.context()}
        out = bytearray(room.encrypted_size(len(data), data_class=keys, context=context))
        size = room.encrypt_into(data, out, data_class=keys, context=context)
        self.booked(bytes(out[:size]), data, context["tenant"])
        back = bytearray(len(data))
        count = room.decrypt_into(out[:size], back)
        self.must(count == len(data) and back == data, "a buffer")

    def many(self) -> None:
        """More messages than one data key may serve."""
        items = [self.plaintext() for _ in range(self.dice.randrange(1, 20))]
        keys, context = self.keys(), self.context()
        messages = self.room().encrypt_many(items, data_class=keys, context={"tenant": context})
        for message, item in zip(messages, items, strict=True):
            self.booked(message, item, context)
        self.must(self.room().decrypt_many(messages) == items, "many messages")

    def others(self) -> None:
        """A message of any thread."""
        messages = list(self.crowd.messages)
        if not messages:
            return
        message, digest, context = self.dice.choice(messages)
        data = self.room().decrypt(message, context={"tenant": context})
        self.must(hashlib.sha256(data).digest() == digest, "a message of another thread")

    def stranger(self) -> None:
        """A message under another context, or with a bit flipped: refused."""
        messages = list(self.crowd.messages)
        if not messages:
            return
        message, _, context = self.dice.choice(messages)
        altered = bytearray(message)
        altered[-1 - self.dice.randrange(16)] ^= 1
        for attempt, given in ((message, "nobody"), (bytes(altered), context)):
            try:
                self.room().decrypt(attempt, context={"tenant": given})
            except AuthenticationFailed:
                continue
            self.must(False, "a forged message was opened")  # noqa: FBT003

    def file(self) -> None:
        """A file there and back."""
        data, keys = self.plaintext(), self.keys()
        source, target, back = (self.path.with_suffix(suffix) for suffix in (".in", ".sr", ".out"))
        source.write_bytes(data)
        self.room().encrypt_file(source, target, data_class=keys, force=True)
        self.crowd.books.add(target.read_bytes(), len(data))
        self.room().decrypt_file(target, back, force=True)
        self.must(back.read_bytes() == data, "a file")

    def object(self) -> None:
        """A file object written and read; its size is not known when its key is given out."""
        data, path = self.plaintext(), self.path.with_suffix(".obj")
        keys = self.dice.choice([name for name in CLASSES if name != "signed"])  # those have no parts to read
        with self.room().open(path, "wb", data_class=keys, force=True) as file:
            file.write(data[:1000])
            file.write(data[1000:])
        self.crowd.books.add(path.read_bytes(), 0)
        with self.room().open(path) as file:
            file.seek(len(data) // 2)
            self.must(file.read() == data[len(data) // 2 :], "a part of a file object")

    def tree(self) -> None:
        """A small tree there and back."""
        if self.dice.random() < 0.8:  # dear, so not as often as the others
            return
        source, target, back = (self.path.with_suffix(f".{self.calls}{suffix}") for suffix in (".in", ".sr", ".out"))
        source.mkdir()
        files = {str(number): self.plaintext() for number in range(3)}
        for name, data in files.items():
            (source / name).write_bytes(data)
        self.room().encrypt_tree(source, target, data_class=self.keys())
        for path in (path for path in target.rglob("*") if path.is_file()):
            self.crowd.books.add(path.read_bytes(), 0)
        self.room().decrypt_tree(target, back)
        self.must(all((back / name).read_bytes() == data for name, data in files.items()), "a tree")
        for folder in (source, target, back):
            shutil.rmtree(folder)

    def room(self) -> strongroom.Room:
        """The room, for one of several principals and purposes."""
        return self.dice.choice(self.crowd.rooms)

    def keys(self) -> str:
        """One of the data classes."""
        return self.dice.choice(["default", *CLASSES])

    def context(self) -> str:
        """One of a few, so that threads meet."""
        return self.dice.choice(["acme", "initech", "umbrella"])

    def plaintext(self) -> bytes:
        """Mostly small."""
        return self.dice.randbytes(self.dice.choice([0, 1, 100, 5000, 5000, 20_000, 150_000]))

    def booked(self, message: bytes, data: bytes, context: str) -> None:
        """Put a message where others find it."""
        self.crowd.books.add(message, len(data))
        if len(self.crowd.messages) < 400 or self.dice.random() < 0.1:
            self.crowd.messages.append((message, hashlib.sha256(data).digest(), context))

    def must(self, right: bool, what: str) -> None:  # noqa: FBT001
        """Note what is wrong."""
        if not right:
            self.crowd.wrong.append(f"{what} came back wrong")


def interrupt_ourselves(crowd: Crowd, dice: random.Random, until: float) -> Counter[str]:
    """Use the room in the main thread and, at random instants, in a signal handler that interrupts it."""
    counts = Counter(served=0, refused=0)

    def handler(_signal: int, _frame: FrameType | None) -> None:
        data = os.urandom(50)
        try:
            message = room.encrypt(data, data_class="three", context={"tenant": dice.choice(["acme", "initech"])})
            if room.decrypt(message) != data:
                crowd.wrong.append("a handler's message came back wrong")
            crowd.books.add(message, len(data))
            counts["served"] += 1
        except Misuse:
            counts["refused"] += 1

    room = crowd.rooms[0]
    before = signal.signal(signal.SIGALRM, handler)
    try:
        while time.monotonic() < until:
            signal.setitimer(signal.ITIMER_REAL, dice.uniform(0.0001, 0.01))
            crowd.books.add(room.encrypt(b"main", data_class="three", context={"tenant": "acme"}), 4)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return counts


CALLS = (
    *(User.small, User.into, User.many, User.others) * 3,
    *(User.stranger, User.file, User.object, User.tree),
)
