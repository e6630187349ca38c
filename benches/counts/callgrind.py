"""Reads what callgrind writes, and tells our own code from everything else.

Our own code is the Rust in the program: ours, the standard library's generics, the thin Rust layer over the cipher library.
Rust symbols are mangled and C symbols are not, which tells the two apart without a list of names. Cipher, hashes, random numbers
and libc are C and assembly. They choose another path on another processor, so their instructions are left out, and what is kept
of them is how often our code calls them.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Profile:
    """Instructions of each of our functions, and calls from them to each function that is not ours."""

    instructions: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    elsewhere: int = 0
    """Instructions of all that is not ours."""

    def less(self, other: Profile) -> Profile:
        """What this run did more than another."""
        more = Profile(self.instructions.copy(), self.calls.copy(), self.elsewhere - other.elsewhere)
        more.instructions.subtract(other.instructions)
        more.calls.subtract(other.calls)
        return more


def run(command: list[str]) -> Profile:
    """Runs a command under callgrind."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "callgrind.out")
        options = ["--quiet", "--tool=callgrind", "--demangle=no", f"--callgrind-out-file={out}"]
        done = subprocess.run(["valgrind", *options, *command], capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)} failed under valgrind:\n{done.stderr}")
        return read(out.read_text())


def read(text: str) -> Profile:
    """Reads the callgrind format: https://valgrind.org/docs/manual/cl-format.html."""
    instructions, calls, names = Counter[str](), Counter[str](), dict[str, str]()
    function = callee = ""
    after_call = False
    for line in text.splitlines():
        if line.startswith("fn="):
            function = _name(line[3:], names)
        elif line.startswith("cfn="):
            callee = _name(line[4:], names)
        elif line.startswith("calls="):
            if is_ours(function) and not is_ours(callee):
                calls[canonical(callee)] += int(line[6:].split()[0])
            after_call = True
        elif COST.match(line):
            # the line after a call holds the callee's cost
            if not after_call:
                instructions[function] += int(line.split()[1])
            after_call = False
    ours = Counter({name: n for name, n in instructions.items() if is_ours(name)})
    return Profile(ours, calls, instructions.total() - ours.total())


def _name(text: str, names: dict[str, str]) -> str:
    """A name is written out once and then stands as its number."""
    number, _, name = text.partition(" ")
    return names.setdefault(number, name)


def is_ours(symbol: str) -> bool:
    """Whether a symbol is Rust: mangled in the new way or in the old one."""
    return symbol.startswith(("_R", "_ZN"))


def canonical(symbol: str) -> str:
    """The name of a C function without its version, its library's, and the processor that it was made for."""
    symbol = re.sub(r"^aws_lc_\d+_\d+_\d+_|@.*", "", symbol)
    family = re.match(r"_*(memcpy|memmove|memset|memcmp|bcmp)(_|$)", symbol)
    # one and the same code in libc; which of its names is found is chance
    return ALIASES.get(family[1], family[1]) if family else symbol


def readable(symbol: str) -> str:
    """The path in a symbol of the old mangling; others as they are."""
    rest, path = symbol.removeprefix("_ZN"), list[str]()
    while number := re.match(r"\d+", rest):
        end = number.end() + int(number[0])
        path.append(rest[number.end() : end])
        rest = rest[end:]
    for code, sign in ESCAPES:
        path = [part.replace(code, sign) for part in path]
    return "::".join(part.removeprefix("_") for part in path[:-1]) or symbol


COST = re.compile(r"[+\-*\d]")
ALIASES = {"memmove": "memcpy", "bcmp": "memcmp"}
ESCAPES = [("$LT$", "<"), ("$GT$", ">"), ("$u20$", " "), ("$u7b$", "{"), ("$u7d$", "}"), ("$C$", ","), ("..", "::")]
