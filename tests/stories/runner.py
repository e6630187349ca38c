"""Runs a story: a text file of commands and what they must print.

    Guards against: a sentence that names the defect.     the head, up to the first empty line
    Needs: room mount   optional: a room, unlocked by STRONGROOM_KEY_FILE (../key) or ../passphrase; the right to mount;
                        `argon2id`: a build that takes passphrases
    $ COMMAND           a bash command, with pipefail
    tty$ COMMAND        the same at a terminal; stdout and stderr are one there
    < TEXT              a line for its standard input; at a terminal it is typed when a prompt waits
    > TEXT              a line of its stdout, in order and complete; `...` stands for anything
    ! TEXT              a line of its stderr, likewise
    ? N                 its exit code, where that is not 0
    # TEXT              a remark

A command that must fail must also leave every file of the working directory as it was: contents, modes, names.
Each story has a working directory, a HOME and a STRONGROOM_HOME of its own. `bin/` holds helpers: `flip`, `pick`.
"""

from __future__ import annotations

import hashlib
import os
import pty
import re
import select
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from builds import HAS_ARGON2ID

HERE = Path(__file__).parent
TIMEOUT = 120
BACKED_UP = """
import sys, strongroom, strongroom.recovery as recovery
with strongroom.open() as room:
    recovery.create_backup(room, sys.argv[1])
recovery.verify_backup(sys.argv[1])
"""


@dataclass
class Step:
    """A command and what must come of it."""

    command: str
    line: int
    at_terminal: bool = False
    typed: list[str] = field(default_factory=list)
    stdout: list[str] = field(default_factory=list)
    stderr: list[str] = field(default_factory=list)
    exit_code: int = 0


@dataclass
class Story:
    """The defect it guards against, what it needs, and its steps."""

    defect: str
    needs: list[str]
    steps: list[Step]


def read_story(text: str) -> Story:
    head, _, _ = text.partition("\n\n")
    heading = dict(line.split(": ", 1) for line in head.splitlines())
    steps: list[Step] = []
    for number, line in enumerate(text.splitlines(), 1):
        if number > head.count("\n") + 1 and line.strip():
            read_line(line, number, steps)
    return Story(heading.pop("Guards against"), heading.pop("Needs", "").split(), steps)


def read_line(line: str, number: int, steps: list[Step]) -> None:
    mark, _, rest = line.partition(" ")
    match mark:
        case "$" | "tty$":
            steps.append(Step(rest, number, at_terminal=mark == "tty$"))
        case "<":
            steps[-1].typed.append(rest)
        case ">":
            steps[-1].stdout.append(rest)
        case "!":
            steps[-1].stderr.append(rest)
        case "?":
            steps[-1].exit_code = int(rest)
        case "#":
            pass
        case _:
            raise ValueError(f"line {number}: unknown mark {mark!r}")


def run_story(story: Story, folder: Path) -> None:
    """Run every step in `folder`; AssertionError says which line went wrong."""
    work = folder / "work"
    work.mkdir()
    if "room" in story.needs:
        make_room(folder)
    for step in story.steps:
        before = snapshot(work)
        run = at_terminal if step.at_terminal else piped
        code, stdout, stderr = run(step, work, environment(folder))
        where = f"line {step.line}: {step.command}\nexit code {code}\nstdout:\n{stdout}\nstderr:\n{stderr}"
        assert code == step.exit_code, f"{where}\nexpected exit code {step.exit_code}"
        assert matches(step.stdout, stdout), f"{where}\nexpected stdout:\n" + "\n".join(step.stdout)
        assert matches(step.stderr, stderr), f"{where}\nexpected stderr:\n" + "\n".join(step.stderr)
        if step.exit_code:
            changed = before.items() ^ snapshot(work).items()
            assert not changed, f"{where}\nfailed, and still changed {sorted(changed)}"


def make_room(folder: Path) -> None:
    passphrase = folder / "passphrase"
    passphrase.write_text("correct horse battery staple\n")
    passphrase.chmod(0o600)
    seals = ["--make-key-file", str(folder / "key")]
    if HAS_ARGON2ID:
        seals += ["--passphrase-file", str(passphrase)]
    subprocess.run(
        ["strongroom", "init", "--no-recovery", *seals], env=environment(folder), check=True, capture_output=True
    )
    # else every command would remind of it
    subprocess.run([sys.executable, "-c", BACKED_UP, folder / "backup"], env=environment(folder), check=True)


def environment(folder: Path) -> dict[str, str]:
    bins = [str(Path(sys.executable).parent), str(HERE / "bin"), os.environ["PATH"]]
    home = folder / "home"
    home.mkdir(exist_ok=True)
    key = {"STRONGROOM_KEY_FILE": str(folder / "key")} if (folder / "key").exists() else {}
    return key | {
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "PATH": os.pathsep.join(bins),
        "STRONGROOM_HOME": str(folder / "room"),
        "TERM": "dumb",
    }


def piped(step: Step, work: Path, env: dict[str, str]) -> tuple[int, str, str]:
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", step.command],
        cwd=work,
        env=env,
        input="".join(f"{line}\n" for line in step.typed).encode(),
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    return done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace")


def at_terminal(step: Step, work: Path, env: dict[str, str]) -> tuple[int, str, str]:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["setsid", "--ctty", "bash", "-o", "pipefail", "-c", step.command],
        cwd=work,
        env=env,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    try:
        printed = converse(ours, list(step.typed))
        return process.wait(TIMEOUT), printed, ""
    finally:
        process.kill()
        os.close(ours)


def converse(terminal: int, typed: list[str]) -> str:
    """Type each line when a prompt (a colon and no more) waits; return what was on the screen."""
    screen, end, answered = b"", time.monotonic() + TIMEOUT, 0
    while time.monotonic() < end:
        if select.select([terminal], [], [], 0.1)[0]:
            try:
                piece = os.read(terminal, 65536)
            except OSError:  # the last process on the terminal is gone
                break
            screen += piece
        elif typed and len(screen) > answered and screen.rstrip().endswith(b":"):
            answered = len(screen)
            os.write(terminal, typed.pop(0).encode() + b"\n")
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.decode(errors="replace").replace("\r\n", "\n")).replace(
        "\r", ""
    )


def matches(expected: list[str], printed: str) -> bool:
    """Whether the lines printed are those expected, `...` standing for anything, also for several lines."""
    pattern = ".*?".join(re.escape(part) for part in "\n".join(expected).split("..."))
    return re.fullmatch(pattern, printed.strip("\n"), re.DOTALL) is not None


def snapshot(work: Path) -> dict[str, tuple[int, str]]:
    """Mode and contents of everything in the working directory."""
    found = {}
    for path in sorted(work.rglob("*")):
        contents = str(path.readlink()) if path.is_symlink() else ""
        if path.is_file() and not path.is_symlink():
            contents = hashlib.sha256(path.read_bytes()).hexdigest()
        found[str(path.relative_to(work))] = (path.lstat().st_mode, contents)
    return found
