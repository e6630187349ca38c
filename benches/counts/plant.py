"""Shows that the counts can fail: plants what it must find, each in a copy of the tree, and sees it found.

`python -m benches.counts.plant`: two builds of the core, a minute or two in all. `pytest -m slow tests/bench` does the same.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benches.counts.count import build
from tools.scratch import Edit, copy_tree, planted


@dataclass(frozen=True)
class Plant:
    """A change for the worse."""

    name: str
    edits: tuple[Edit, ...]
    what: str
    """What each of the scenarios then has more of, by so much at least and so much at most."""
    least: float
    most: float
    scenarios: tuple[str, ...]


def main() -> int:
    program = build()
    with tempfile.TemporaryDirectory(prefix="strongroom-plant-") as folder:
        tree = Path(folder, "tree")
        copy_tree(tree)
        target = Path(folder, "target")
        # compiled dependencies come along: only the core is built anew
        shutil.copytree(program.parent, target / "release", symlinks=True)
        code, before = verdict(tree, target)
        outcomes = [report("nothing is planted", code == 0, "all counts are as written down")]
        code, other = verdict(tree, target, **OLD_PROCESSOR)
        slower = other["frames-seal"]["elsewhere"] / before["frames-seal"]["elsewhere"]
        detail = f"ours are the same, those of cipher and libc {slower:.1f} times as many"
        outcomes.append(report("on an old processor", code == 0 and slower > 2, detail))
        for plant in PLANTS:
            with planted(tree, plant.name, plant.edits):
                code, after = verdict(tree, target)
            outcomes.append(
                report(
                    f"planted: {plant.name}", code == 1 and grew(plant, before, after), changes(plant, before, after)
                )
            )
    return 0 if all(outcomes) else 1


def verdict(tree: Path, target: Path, **variables: str) -> tuple[int, dict[str, dict[str, float]]]:
    """The exit code of the counts in a tree, and what it counted."""
    found = target / "counts.json"
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)} | variables
    command = [sys.executable, "-m", "benches.counts", "--json", str(found)]
    done = subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    for line in done.stdout.splitlines():
        if line.startswith("MISS"):
            print(f"     {line}")
    if done.returncode not in {0, 1}:
        sys.exit(f"benches.counts ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.returncode, json.loads(found.read_text())


def grew(plant: Plant, before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> bool:
    """Whether each of the plant's scenarios has as much more as was planted."""
    more = (growth(plant, before[name], after[name]) for name in plant.scenarios)
    return all(plant.least <= each <= plant.most for each in more)


def growth(plant: Plant, before: dict[str, float], after: dict[str, float]) -> float:
    """By how much: a share of the instructions, or a number."""
    more = after[plant.what] - before[plant.what]
    return more / before[plant.what] if plant.what == "instructions" else more


def changes(plant: Plant, before: dict[str, dict[str, float]], after: dict[str, dict[str, float]]) -> str:
    """The growth of each scenario."""
    form = "+.1%" if plant.what == "instructions" else "+g"
    return ", ".join(
        f"{name} {growth(plant, before[name], after[name]):{form}} {plant.what}" for name in plant.scenarios
    )


def report(name: str, good: bool, detail: str) -> bool:  # noqa: FBT001 - the verdict itself
    print(f"{'ok  ' if good else 'FAIL'} {name}: {detail}", flush=True)
    return good


SLOWDOWN = """\
        let mut mark = 0_u8;
        for &byte in &self.bytes[..10] {
            mark = mark.rotate_left(1) ^ byte;
        }
        std::hint::black_box(mark);
"""
ALLOCATION = """\
        std::hint::black_box(Box::new(7_u64));
"""
# no AES, no AVX and less, for the cipher library and for libc
OLD_PROCESSOR = {
    "OPENSSL_ia32cap": "~0x1200020200000000:~0xffffffffffffffff",
    "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX,-ERMS,-AVX_Fast_Unaligned_Load",
}
PLANTS = (
    Plant(
        name="a slowdown of the frame loop by a tenth",
        edits=(
            Edit.insertion(
                "rust/core/src/message/aad.rs", SLOWDOWN, before="        &self.bytes[..self.prefix + 12]\n"
            ),
        ),
        what="instructions",
        least=0.1,
        most=0.25,
        scenarios=("frames-seal", "frames-seal-in-place", "frames-open", "frames-open-in-place"),
    ),
    Plant(
        name="an allocation more for each message",
        edits=(
            Edit.insertion(
                "rust/core/src/message/seal.rs", ALLOCATION, before="        let message_id = *id.bytes();\n"
            ),
            Edit.insertion(
                "rust/core/src/message/open.rs", ALLOCATION, before="        let derived = derive(header.suite"
            ),
        ),
        what="allocations",
        least=1,
        most=1,
        scenarios=("message-seal", "message-open"),
    ),
)

if __name__ == "__main__":
    sys.exit(main())
