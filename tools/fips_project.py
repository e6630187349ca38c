"""Writes the project of the distribution strongroom-fips: pyproject.toml as it is, but for name and features.

    python tools/fips_project.py FOLDER

FOLDER is outside the repository, since what Git ignores is not packed.
It has the same import name, so that one of the two distributions is installed, not both.
"""

import os
import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    up = os.path.relpath(ROOT, folder)
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    for pattern, replacement in changes(up):
        text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        if count != 1:
            raise SystemExit(f"pyproject.toml has {count} lines like {pattern}")
    (folder / "pyproject.toml").write_text(text, encoding="utf-8")
    for name in ("README.md", "LICENSE", "THIRD-PARTY.txt"):
        link = folder / name
        link.unlink(missing_ok=True)
        link.symlink_to(Path(up, name))
    # maturin packs no sources from outside the project
    left_out = shutil.ignore_patterns("__pycache__", "*.so")
    shutil.copytree(ROOT / "python", folder / "python", ignore=left_out, dirs_exist_ok=True)


def changes(up: str) -> list[tuple[str, str]]:
    """What stands in the project of strongroom, and what stands there instead."""
    return [
        (r'^name = "strongroom"$', 'name = "strongroom-fips"'),
        (r'^(description = ".*)"$', r'\1, on the AWS-LC FIPS module"'),
        (r'^manifest-path = "(.*)"$', rf'manifest-path = "{up}/\1"'),
        (r'^(features = \["pyo3/extension-module")\]$', r'\1, "fips"]' + "\nno-default-features = true"),
    ]


if __name__ == "__main__":
    main()
