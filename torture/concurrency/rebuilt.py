"""A core that is built without the checks after a fork: its children encrypt under a key of zeros, and are found out."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.scratch import ROOT, Edit, copy_tree, planted
from torture.report import Report


def rebuild_without_checks(report: Report) -> None:
    """Plant the fault in a copy of the tree, build it, and see the forks fail there."""
    with tempfile.TemporaryDirectory(prefix="torture-rebuilt-") as folder:
        tree, target = Path(folder, "tree"), Path(folder, "target")
        copy_tree(tree)
        if (ROOT / "target" / "release").exists():
            # compiled dependencies come along: only our own crates are built anew
            shutil.copytree(ROOT / "target" / "release", target / "release", symlinks=True)
        with planted(tree, "forks without checks", WITHOUT_CHECKS):
            build(tree, target)
            said = forked(tree)
    report.controls["forks in a core without the checks, rebuilt"] = said.count(ZEROS) == 2


def build(tree: Path, target: Path) -> None:
    """The extension of this tree, into this tree."""
    command = ["cargo", "build", "--release", "--quiet", "--package", "strongroom-bindings", *FEATURES]
    environment = os.environ | {"CARGO_TARGET_DIR": str(target)}
    subprocess.run(command, cwd=tree, env=environment, check=True)
    shutil.copy(target / "release" / "libstrongroom_rust.so", tree / "python" / "strongroom" / "_rust.abi3.so")


def forked(tree: Path) -> str:
    """What this program says there."""
    command = [sys.executable, "-m", "torture", "concurrency", "--parts", "forks", "--forks", "2"]
    environment = os.environ | {"PYTHONPATH": str(tree / "python")}
    return subprocess.run(command, cwd=tree, env=environment, capture_output=True, text=True, check=False).stdout


SECRET = "rust/secmem/src/secret.rs"
WITHOUT_CHECKS = (
    Edit(SECRET, "if !self.room.page.is_intact() {", "if false {"),
    Edit(SECRET, "        self.generation.check()?;\n", ""),
)
FEATURES = ("--features", "pyo3/extension-module")
ZEROS = "FOUND a child encrypted under a key of zeros"
