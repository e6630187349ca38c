"""Children forked from a busy process: what they inherited refuses, what they open anew works, and nothing repeats."""

from __future__ import annotations

import json
import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import strongroom
from strongroom import crypto
from strongroom.client import decrypt_message, encrypt_message
from strongroom.errors import KeystoreUnavailable, KeyUnavailable, StrongroomError
from strongroom.home.places import KEYSTORE_FILE
from strongroom.keyring import RawAesKeyring
from strongroom.keystore import engine
from strongroom.keystore.engine import Database
from strongroom.keystore.forks import ForkGate

from torture.concurrency.books import Books, Entry, entry_of
from torture.concurrency.stamp import Witness
from torture.concurrency.trial import Trial
from torture.place import Place
from torture.report import Report


def fork_busy(trial: Trial) -> None:
    """Fork again and again while threads encrypt, and judge what each child says."""
    place, dice, options, books, report = trial.place, trial.dice, trial.options, trial.books, trial.report
    with place.open() as room, busy(room, books):
        inherited = Inherited.of(room, place.folder)
        outcomes: Counter[str] = Counter()
        for number in range(options.forks):
            time.sleep(dice.uniform(0, 0.02))
            said = in_child(lambda number=number: child(inherited, place, number))  # type: ignore[misc]
            judge(said, books, outcomes, report)
            inherited.check()
        report.count("forks", options.forks)
        for what, count in outcomes.items():
            report.count(what, count)
        report.controls["a child that takes wiped pages for keys"] = zeros_are_found(inherited)
    report.controls["a fork that does not wait for the keystore"] = locks_are_found(place)


@dataclass(frozen=True)
class Said:
    """What a child says of itself."""

    refused: int
    used: list[str]
    """What was inherited and worked, which nothing may."""
    zeros: bool
    """Whether any of that was under a key of zeros."""
    entries: list[Entry]
    wrong: list[str]


@dataclass
class Inherited:
    """Everything that holds keys, made before the fork."""

    room: strongroom.Room
    folder: Path
    materials: crypto.EncryptionMaterials
    reading: crypto.DecryptionMaterials
    keyring: RawAesKeyring
    message: bytes
    raw: bytes
    writer: crypto.MessageWriter
    wrapping: crypto.AesWrappingKey

    @classmethod
    def of(cls, room: strongroom.Room, folder: Path) -> Inherited:
        """One of each."""
        keyring = RawAesKeyring("torture", "key", os.urandom(32))
        wrapping, key = crypto.AesWrappingKey.generate(), crypto.DataKey.generate()
        edk = wrapping.wrap(key, "torture", "key", {})
        materials = crypto.EncryptionMaterials(0x0478, key, [edk], {}, frame_length=4096)
        raw = crypto.encrypt(materials, b"before the fork")
        reading = crypto.DecryptionMaterials(crypto.Header.parse(raw), key)
        message = room.encrypt(b"before the fork")
        writer = crypto.MessageWriter(materials, folder / "inherited.sr")
        (folder / "plain").write_bytes(b"plain")
        return cls(room, folder, materials, reading, keyring, message, raw, writer, wrapping)

    def check(self) -> None:
        """The parent's are as they were, whatever a child did."""
        assert self.room.decrypt(self.message) == b"before the fork"
        assert crypto.decrypt(crypto.Header.parse(self.raw), self.reading, self.raw) == b"before the fork"

    def attempts(self) -> dict[str, Callable[[], object]]:
        """Every way to use what is inherited."""
        message, raw = self.message, self.raw
        plain = self.folder / "plain"
        return {
            "encrypt": lambda: self.room.encrypt(b"child"),
            "encrypt under a new context": lambda: self.room.encrypt(b"child", context={"a": "child"}),
            "encrypt_many": lambda: self.room.encrypt_many([b"child"] * 3)[0],
            "decrypt": lambda: self.room.decrypt(message),
            "decrypt_many": lambda: self.room.decrypt_many([message]),
            "encrypt_file": lambda: self.room.encrypt_file(plain, self.folder / "child.sr"),
            "open a file object": lambda: self.room.open(self.folder / "child.sr", "wb"),
            "list keys": self.room.keys.list,
            "encrypt with materials": lambda: crypto.encrypt(self.materials, b"child"),
            "encrypt many with materials": lambda: crypto.encrypt_many(self.materials, [b"child"])[0],
            "decrypt with materials": lambda: crypto.decrypt(crypto.Header.parse(raw), self.reading, raw),
            "encrypt with a keyring": lambda: encrypt_message(b"child", self.keyring),
            "wrap with a key": lambda: self.wrapping.wrap(crypto.DataKey.generate(), "torture", "key", {}),
            "write into an open writer": self.written,
        }

    def written(self) -> bytes:
        """A message of a writer that was open at the fork."""
        self.writer.write(bytes(100_000))
        self.writer.finish()
        return b""


def child(inherited: Inherited, place: Place, number: int) -> Said:
    """In the child: try everything that was inherited, then open the room anew."""
    refused, used, zeros, wrong = 0, [], False, []
    for what, attempt in inherited.attempts().items():
        try:
            made = attempt()
        except KeyUnavailable:
            refused += 1
        except StrongroomError as error:
            wrong.append(f"{what} was refused by {type(error).__name__}: {error}")
        else:
            used.append(what)
            zeros = zeros or (isinstance(made, bytes) and opens_with_zeros(made))
    entries: list[Entry] = []
    # opening a room takes ten times as long as all of the above
    if number % 4 == 0:
        use_anew(inherited, place, entries, wrong)
    return Said(refused, used, zeros, entries, wrong)


def use_anew(inherited: Inherited, place: Place, entries: list[Entry], wrong: list[str]) -> None:
    """Open the room in the child, and use it."""
    with place.open() as room:
        for size in (1, 5000, 100_000):
            data = os.urandom(size)
            message = room.encrypt(data, data_class="three")
            entries.append(entry_of(message, size))
            if room.decrypt(message) != data or room.decrypt(inherited.message) != b"before the fork":
                wrong.append("a room opened in a child gave a wrong result")


def judge(said: Said | None, books: Books, outcomes: Counter[str], report: Report) -> None:
    """Count what a child said, and book its messages."""
    if said is None:
        report.found.append("a child hung or died")
        return
    outcomes["refusals in children"] += said.refused
    outcomes["messages of rooms opened in children"] += len(said.entries)
    books.put(said.entries)
    report.found += [f"a child's {what} worked with an inherited key" for what in said.used]
    report.found += ["a child encrypted under a key of zeros"] * said.zeros + said.wrong


def zeros_are_found(inherited: Inherited) -> bool:
    """With the checks defeated, a child does encrypt, under a key of zeros, and says so."""
    witness = Witness.of_this_process()

    def defeated() -> Said:
        witness.forge()
        made = crypto.encrypt(inherited.materials, b"child")
        return Said(0, ["encrypt with materials"], opens_with_zeros(made), [], [])

    said = in_child(defeated)
    return said is not None and said.zeros


def locks_are_found(place: Place) -> bool:
    """With a gate that no fork asks, a child believes in the lock of a thread that it has not, and says so."""
    begun, end = threading.Event(), threading.Event()

    def write() -> None:
        with closing(Database(place.room / KEYSTORE_FILE)) as database, database.writing():
            begun.set()
            end.wait()

    def opened() -> Said:
        with suppress(KeystoreUnavailable), place.open() as room:
            room.encrypt(b"child")
            return Said(0, ["room"], zeros=False, entries=[], wrong=[])
        return Said(1, [], zeros=False, entries=[], wrong=[])

    with mock.patch.multiple(engine, GATE=ForkGate(), BUSY_SECONDS=0.5):
        thread = threading.Thread(target=write)
        thread.start()
        begun.wait()
        said = in_child(opened)
        end.set()
        thread.join()
    return said is not None and said.refused == 1


def opens_with_zeros(message: bytes) -> bool:
    """Whether a message was encrypted under a data key of zeros."""
    header = crypto.Header.parse(message)
    try:
        reading = crypto.DecryptionMaterials(header, crypto.DataKey.from_caller(bytes(32)))
        crypto.decrypt(header, reading, message)
    except StrongroomError:
        return False
    return True


@contextmanager
def busy(room: strongroom.Room, books: Books) -> Iterator[None]:
    """Threads that encrypt, fetch, wrap and free without pause."""
    stop = threading.Event()
    threads = [threading.Thread(target=toil, args=(room, books, stop, number)) for number in range(8)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def toil(room: strongroom.Room, books: Books, stop: threading.Event, number: int) -> None:
    """One busy thread."""
    keyring = RawAesKeyring("torture", "key", os.urandom(32))
    while not stop.is_set():
        message = room.encrypt(b"busy", data_class="three", context={"thread": str(number % 3)})
        books.add(message, 4)
        raw = encrypt_message(bytes(100_000), keyring)
        assert decrypt_message(raw, keyring) == bytes(100_000)
        room.encrypt_many([bytes(20_000)] * 8, data_class="fifty")


def in_child(work: Callable[[], Said]) -> Said | None:
    """What `work` gives in a forked child; None if that takes a minute or dies."""
    reader, writer = os.pipe()
    with warnings.catch_warnings():
        # Python warns of what is tried here on purpose
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process == 0:
        answer(writer, work)
    os.close(writer)
    with open(reader, "rb") as pipe:
        heard = select.select([pipe], [], [], 60)[0]
        if not heard:
            os.kill(process, signal.SIGKILL)
        content = pipe.read()
    os.waitpid(process, 0)
    return pickle.loads(content) if content else None


def answer(writer: int, work: Callable[[], Said]) -> None:
    """In the child: say what came of it, and end without the parent's exit handlers."""
    status = 1
    try:
        content = pickle.dumps(work())
        with open(writer, "wb") as pipe:
            pipe.write(content)
        status = 0
    except BaseException as error:  # noqa: BLE001 - a child must not go on as a second parent
        print(f"child: {json.dumps(repr(error))}", file=sys.stderr)
    finally:
        os._exit(status)
