"""Searches memory, cores, logs, tracebacks, reprs, pickles and files for every key of a whole session.

The session makes a room, encrypts, decrypts, rotates key and root, re-encrypts, puts a KEK into a token, splits a recovery kit, makes a backup, fails in
every way and closes the room, in a process that stops after each step. What is searched for are the planted passphrase and raw
KEK, shares, and every key of the room, also those that are replaced: roots, KEKs, data keys, content keys and what they come from.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from torture.memory import Mapping, mappings
from torture.place import Place, new_place
from torture.report import Report
from torture.secrets import search
from torture.secrets.needles import Home, Needle
from torture.secrets.session import CLOSED, OPEN
from torture.tokens import new_softhsm

PROMISE = "keys stand in locked memory only, in no file, log, repr, pickle or core, and nowhere once the room is closed"
ROOT = Path(__file__).parents[2]


def arguments(parser: argparse.ArgumentParser) -> None:
    """Its scale: a session is searched in some seconds."""
    parser.add_argument(
        "--sessions", type=int, default=1, metavar="N", help="one after the other (default: %(default)s)"
    )
    parser.add_argument("--samples", type=int, default=20, metavar="N", help="at work (default: %(default)s)")
    parser.add_argument("--dir", type=Path, default=None, help="where to work (default: where temporary files go)")


def run(options: argparse.Namespace) -> Report:
    """So many sessions, with secrets of their own; then one that crashes, and one that is stopped at work."""
    report = Report("secrets", PROMISE)
    for _ in range(options.sessions):
        with new_place(options.dir, with_room=False) as place, started(place, "main") as (session, home):
            Watch(session, home, report).walk()
    with new_place(options.dir, with_room=False) as place, started(place, "main") as (session, home):
        Watch(session, home, report).crash()
    with new_place(options.dir, with_room=False) as place, started(place, "work") as (session, home):
        stop_at_work(session, home, options.samples, report)
    return report


def stop_at_work(session: subprocess.Popen[str], home: Home, samples: int, report: Report) -> None:
    """Pictures of a process that never pauses: here the crypto library may be holding a key."""
    assert session.stdout
    assert session.stdout.readline() == "working\n"
    needles = home.needles()
    outside: Counter[str] = Counter()
    for _ in range(samples):
        time.sleep(0.05)
        with still(session):
            hits = list(search.in_process(session.pid, needles, in_every_form=True))
        outside.update({hit.needle.name.split(" of ")[0] for hit in hits if not hit.is_locked})
    report.count("pictures at work", samples)
    seen = ", ".join(f"{name} in {count}" for name, count in outside.items()) or "nothing"
    report.notes.append(f"outside of locked memory in {samples} pictures of a process at work: {seen}")


@contextmanager
def still(session: subprocess.Popen[str]) -> Iterator[None]:
    """Threads go on while a session waits for its word, and what one of them gives back in the meantime cannot be read."""
    session.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, session.pid, os.WSTOPPED)
    try:
        yield
    finally:
        session.send_signal(signal.SIGCONT)


@contextmanager
def started(place: Place, program: str) -> Iterator[tuple[subprocess.Popen[str], Home]]:
    """A session that waits for its first word, in a place with what is planted."""
    home = Home(place.folder)
    for folder in (home.messages, home.raw_messages, home.hsm_messages, home.hsm.directory):
        folder.mkdir()
    hsm = new_softhsm(home.hsm.directory)
    home.passphrase.write_text(secrets.token_urlsafe(24))
    for path in (home.raw, home.control, home.kek):
        path.write_bytes(secrets.token_bytes(32))
    program = f"from torture.secrets.session import {program}; {program}({str(place.folder)!r})"
    environment = place.environment() | {"PYTHONPATH": str(ROOT), "SOFTHSM2_CONF": str(hsm.settings)}
    del environment["STRONGROOM_KEY_FILE"]
    session = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=place.folder / "cwd",
        env=environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield session, home
    finally:
        session.kill()
        session.communicate()


class Watch:
    """Searches a session after each of its steps."""

    def __init__(self, session: subprocess.Popen[str], home: Home, report: Report) -> None:
        self.session = session
        self.home = home
        self.report = report
        self.control = Needle("the control", home.control.read_bytes())
        self.known: dict[bytes, Needle] = {}
        self.seen: Counter[str] = Counter()
        self.open: list[tuple[str, list[tuple[Mapping, bytes]]]] = []

    def walk(self) -> None:
        """Every step to the end."""
        for step in self.steps():
            needles = self.needles()
            self.report.count("steps of a session")
            self.report.count("secrets searched for", len(needles))
            self.memory(step, needles)
            self.files(step, needles)
            self.protections(step)
            if step == "opening it":
                self.core(step, needles)
            if step.startswith(OPEN):
                # the key of a message that is being written is known once it is written
                with still(self.session):
                    self.open.append((step, list(search.picture(self.session.pid))))
        for step, picture in self.open:
            self.judge_all(step, search.in_picture(picture, self.needles(), in_every_form=True))
        self.report.notes += [f"{what}: after {count} steps" for what, count in self.seen.items()]

    def needles(self) -> list[Needle]:
        """All secrets that there are by now, and those that there were."""
        self.known |= {needle.secret: needle for needle in self.home.needles()}
        return list(self.known.values())

    def crash(self) -> None:
        """The kernel's core of a session that ends in the middle."""
        pattern = Path("/proc/sys/kernel/core_pattern").read_text().strip()
        if "/" in pattern or pattern.startswith("|"):
            self.report.notes.append(
                f"the kernel's own cores go elsewhere on this machine ({pattern}): none was searched"
            )
            return
        resource.prlimit(self.session.pid, resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        step = next(step for step in self.steps() if step == "encrypting and decrypting buffers")
        needles = self.needles()
        self.session.communicate("abort\n")
        [core] = (self.home.folder / "cwd").glob("core*")
        self.dumped(step, core, needles)

    def protections(self, step: str) -> None:
        """Every page for secrets is locked, and none was swapped out."""
        kept = [found for found in mappings(Path("/proc", str(self.session.pid))) if {"dd", "wf"} <= found.flags]
        bad = [found for found in kept if not found.is_locked_secret or found.swapped_kib]
        self.report.count("mappings for secrets, all locked", len(kept))
        self.report.found += [f"after {step}: {found} may be swapped out" for found in bad]

    def steps(self) -> Iterator[str]:
        """The names of the steps, each while the session waits after it."""
        assert self.session.stdin
        assert self.session.stdout
        step = ""
        while step != CLOSED:
            step = self.session.stdout.readline().strip()
            if not step:
                raise RuntimeError("the session died")
            yield step
            self.session.stdin.write("go\n" if step != CLOSED else "")
            self.session.stdin.flush()

    def memory(self, step: str, needles: list[Needle]) -> None:
        """Nothing but in locked memory, and nothing at all in the end."""
        with still(self.session):
            hits = list(search.in_process(self.session.pid, [*needles, self.control], in_every_form=step == CLOSED))
        controls = [hit for hit in hits if hit.needle is self.control]
        # the heap, a mapping, and whatever wrote them to the log
        self.confirm("a secret in Python's heap and one in a mapping", len({hit.place for hit in controls}) >= 2)
        self.judge_all(step, hits)
        locked = {hit.needle.name for hit in hits if hit.is_locked}
        self.report.count("secrets found in locked memory", len(locked))

    def judge_all(self, step: str, hits: Iterable[search.Hit]) -> None:
        """Whatever is not where it may be."""
        for hit in hits:
            if hit.needle is not self.control and (step == CLOSED or not hit.is_locked):
                self.judge(step, hit)

    def judge(self, step: str, hit: search.Hit) -> None:
        """A find, or what the threat model says of the crypto library."""
        if step.startswith(OPEN) and hit.needle.name.startswith("the content key"):
            self.seen[f"as the threat model says, {hit.form} of a content key in {hit.place}"] += 1
        else:
            self.report.found.append(f"after {step}: {hit}")

    def files(self, step: str, needles: list[Needle]) -> None:
        """Nothing in files, named or not."""
        hits = [*search.in_files(self.home.folder, [*needles, self.control])]
        hits += search.in_descriptors(self.session.pid, [*needles, self.control])
        controls = {hit.place for hit in hits if hit.needle is self.control}
        self.confirm("a secret in a log", "log" in controls)
        self.confirm("a secret in a temporary file", "tmp/planted" in controls)
        self.report.found += [f"after {step}: {hit}" for hit in hits if hit.needle is not self.control]

    def core(self, step: str, needles: list[Needle]) -> None:
        """Nothing in what a debugger dumps."""
        path = self.home.folder / f"core.{self.session.pid}"
        subprocess.run(
            ["gcore", "-o", str(path.with_suffix("")), str(self.session.pid)], capture_output=True, check=True
        )
        self.dumped(step, path, needles)

    def dumped(self, step: str, path: Path, needles: list[Needle]) -> None:
        """Nothing in a core, but for the control."""
        self.report.count("cores")
        self.report.count("bytes of cores", path.stat().st_size)
        hits = list(search.in_core(path, [*needles, self.control]))
        path.unlink()
        self.confirm("a secret in a core", any(hit.needle is self.control for hit in hits))
        self.report.found += [f"after {step}: {hit}" for hit in hits if hit.needle is not self.control]

    def confirm(self, control: str, found: bool) -> None:  # noqa: FBT001
        """A control counts only if it is found every time."""
        self.report.controls[control] = self.report.controls.get(control, True) and found
