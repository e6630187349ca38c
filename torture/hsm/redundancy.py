"""A room with two tokens loses one while it works, then both: what goes on, what stops, and who hears of it."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import strongroom
from strongroom.errors import StrongroomError
from strongroom.home import NewWay
from strongroom.providers.pkcs11 import TokenUri, destroy_key, patience, root
from strongroom.providers.pkcs11.module import module

from torture.hsm.trial import Trial, impatient
from torture.tokens import Token, unique

if TYPE_CHECKING:
    from strongroom.observe import Instrument


def lose_tokens(trial: Trial) -> None:
    """One of two in each way, then both."""
    with eager():
        other = trial.opencryptoki()
        if other is not None:
            for name in trial.options.losses:
                lose_one(trial, other, name, LOSSES[name])
        lose_all(trial)


def lose_one(trial: Trial, other: Token, name: str, loss: Loss) -> None:
    """No call fails while the other lives; the loss is seen at once, and so is the return."""
    token, key = trial.new_token(), unique("root")
    home = trial.new_room(token.uri(module=trial.proxy.module))
    with strongroom.open(home) as room:
        room.ways.add(NewWay(token=other.uri(key)), reason="a second token")
        first = room.ways.list()[0].id
    try:
        with strongroom.open(home) as room, at_work(room) as work:
            seen = Seen(room, first)
            time.sleep(0.3)
            if not seen.answers:
                trial.report.found.append(f"{name}: the first token did not answer before it was lost")
            with loss(trial, token):
                took = seen.until(answers=False)
                time.sleep(trial.options.seconds)
                health = [command(home, "providers", "health").returncode]
            back = seen.until(answers=True)
            health.append(command(home, "providers", "health").returncode)
    finally:
        destroy_key(TokenUri.parse(other.uri(key)))
    report = trial.report
    report.count(f"calls with one of two tokens {name}", work.done)
    report.notes.append(f"one token {name}: seen after {took:.1f} s, back after {back:.1f} s")
    report.found.extend(f"{name}: {failure}" for failure in work.failures)
    if took > SEEN_WITHIN or back > 2 * AVOIDED + patience.CALL + SEEN_WITHIN:
        report.found.append(f"{name}: it was seen after {took:.1f} s, and that it was back after {back:.1f} s")
    if health != [1, 0]:
        report.found.append(f"{name}: `providers health` ended with {health}, not with 1 and then 0")


def lose_all(trial: Trial) -> None:
    """Calls end within the lease, commands with exit code 30 and without output; all is well when the tokens are back."""
    token, second = trial.new_token(), trial.new_token()
    home = trial.new_room(token.uri())
    with strongroom.open(home) as room:
        room.ways.add(NewWay(token=second.uri()), reason="a second token")
    source, message, target = (trial.folder / unique(name) for name in ("source", "message", "target"))
    source.write_bytes(b"text" * 1000)
    command(home, "encrypt", str(source), str(message))
    with strongroom.open(home) as room, at_work(room) as work:
        time.sleep(0.3)
        with tokens_gone(trial, token):
            begun = time.monotonic()
            while not work.failures and time.monotonic() - begun < PATIENCE:
                time.sleep(0.01)
            stopped, done = time.monotonic() - begun, work.done
            codes = [
                command(home, name, str(given), str(target)).returncode
                for name, given in (("encrypt", source), ("decrypt", message))
            ]
            goes_on = work.done - done
    report = trial.report
    report.count("commands with both tokens gone", len(codes))
    report.notes.append(f"both gone: calls ended after {stopped:.1f} s, with a lease of {LEASE:.1f} s")
    if codes != [30, 30] or target.exists() or left_over(target):
        report.found.append(f"both gone: exit codes {codes}, and of the output {target.exists() or left_over(target)}")
    if stopped > LEASE + patience.TRYING or goes_on:
        report.found.append(f"both gone: calls ended after {stopped:.1f} s, and {goes_on} went on")
    if command(home, "decrypt", str(message), str(target)).returncode or target.read_bytes() != source.read_bytes():
        report.found.append("both back: the message does not come back")
    report.controls["calls that fail once both tokens are gone"] = bool(work.failures)
    report.controls["an output that is left"] = target.exists()


@dataclass
class Work:
    """What threads did with a room, and what failed."""

    done: int = 0
    failures: list[str] = field(default_factory=list)


@contextmanager
def at_work(room: strongroom.Room) -> Iterator[Work]:
    """Threads that make a message with a data key of its own, and read it, again and again."""
    work, stop = Work(), threading.Event()

    def loop() -> None:
        while not stop.is_set():
            try:
                if room.decrypt(room.encrypt(b"text", data_class="each")) != b"text":
                    work.failures.append("another text came back")
                work.done += 1
            except StrongroomError as error:
                work.failures.append(f"{type(error).__name__}: {error}")
                stop.wait(0.05)

    room.classes.create("each", lease_seconds=0, reason="so that keys are asked for each time")
    threads = [threading.Thread(target=loop) for _ in range(THREADS)]
    for thread in threads:
        thread.start()
    try:
        yield work
    finally:
        stop.set()
        for thread in threads:
            thread.join()


class Seen:
    """What a monitor sees of a token."""

    def __init__(self, room: strongroom.Room, way: str) -> None:
        self._room, self._way = room, way
        self._gauges: dict[str, float] = {}

    @property
    def answers(self) -> bool:
        """Whether the gauge says so now."""
        self._room.measure(self)
        return self._gauges[self._way] == 1

    def until(self, *, answers: bool) -> float:
        """Wait until the gauge says so, and for how many seconds."""
        begun = time.monotonic()
        while self.answers != answers and time.monotonic() - begun < PATIENCE:
            time.sleep(0.02)
        return time.monotonic() - begun

    def set(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """As a meter."""
        if "way" in labels:
            self._gauges[labels["way"]] = value

    def add(self, instrument: Instrument, amount: float, labels: Mapping[str, str]) -> None:
        """As a meter."""

    def observe(self, instrument: Instrument, value: float, labels: Mapping[str, str]) -> None:
        """As a meter."""


def command(home: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """A command in a process of its own."""
    script = [sys.executable, "-c", "from strongroom.cli import main; main()"]
    environment = os.environ | {"STRONGROOM_HOME": str(home)}
    return subprocess.run([*script, *arguments], env=environment, capture_output=True, check=False, timeout=PATIENCE)


@contextmanager
def tokens_gone(trial: Trial, _token: Token) -> Iterator[None]:
    """All of SoftHSM's tokens are gone."""
    tokens, away = trial.softhsm.tokens, trial.folder / unique("away")
    tokens.rename(away)
    tokens.mkdir()
    try:
        yield
    finally:
        tokens.rmdir()
        away.rename(tokens)


@contextmanager
def hung(trial: Trial, _token: Token) -> Iterator[None]:
    """What is asked of the module takes longer than anybody waits, a command too."""
    trial.proxy.does(*(f"{name} sleep 12" for name in ("C_Decrypt", "C_OpenSession", "C_GetSlotList")))
    try:
        yield
    finally:
        trial.proxy.does()
        while not module(trial.proxy.module).idle:
            time.sleep(0.02)


@contextmanager
def emptied(trial: Trial, token: Token) -> Iterator[None]:
    """The key is deleted, and then put back from a backup of the token."""
    paths = [
        path
        for path in trial.softhsm.tokens.glob("*/*.object")
        if path.name != "token.object" and token.label.encode() in (path.parent / "token.object").read_bytes()
    ]
    kept = {path: path.read_bytes() for path in paths}
    for path in paths:
        path.unlink()
    try:
        yield
    finally:
        for path, content in kept.items():
            path.write_bytes(content)


@contextmanager
def eager() -> Iterator[None]:
    """KEKs are lent for a moment, so that tokens are asked all the time, and those that fail are asked again soon."""
    kept = root.TokenRoot.lease_seconds, root.AVOIDED, root.LONGEST_AVOIDED
    root.TokenRoot.lease_seconds, root.AVOIDED, root.LONGEST_AVOIDED = LEASE, AVOIDED, AVOIDED
    try:
        with impatient():
            yield
    finally:
        root.TokenRoot.lease_seconds, root.AVOIDED, root.LONGEST_AVOIDED = kept


def left_over(target: Path) -> list[str]:
    """Files beside an output that begin with its name, such as temporary ones."""
    return [path.name for path in target.parent.iterdir() if target.name in path.name]


Loss = Callable[[Trial, Token], AbstractContextManager[None]]
LOSSES: dict[str, Loss] = {"gone": tokens_gone, "hung": hung, "emptied": emptied}
LEASE, AVOIDED, SEEN_WITHIN, PATIENCE = 0.05, 0.5, 1.0, 60.0
THREADS = 4
