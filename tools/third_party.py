"""Writes THIRD-PARTY.txt: every crate that the extension is linked from, its licence, and the texts of these.

    python tools/third_party.py [--fips] TARGET

Asks cargo, and reads the sources that it builds from. Names crates without a text of their own on stderr.
"""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
TEXTS = ("LICENSE*", "LICENCE*", "COPYING*", "NOTICE*", "COPYRIGHT*", "*/LICENSE*", "*/NOTICE*", "LICENSES/*")


def main() -> None:
    *options, target = sys.argv[1:]
    crates = linked(["--no-default-features", "--features", "fips"] if "--fips" in options else [])
    Path(target).write_text("\n".join([head(crates), *bodies(crates)]), encoding="utf-8")


def linked(features: list[str]) -> list[dict[str, Any]]:
    """The packages that end up in the extension, ours left out: no build scripts, no macros, no tests."""
    bindings = ROOT / "rust" / "bindings" / "Cargo.toml"
    form = ["--edges", "normal,no-proc-macro", "--prefix", "none", "--format", "{p}"]
    tree = run(["cargo", "tree", "--locked", "--manifest-path", str(bindings), *features, *form])
    names = {tuple(line.split()[:2]) for line in tree.splitlines() if line.strip()}
    metadata = json.loads(run(["cargo", "metadata", "--locked", "--format-version", "1"]))
    packages = [one for one in metadata["packages"] if (one["name"], f"v{one['version']}") in names and one["source"]]
    return sorted(packages, key=lambda package: (package["name"], package["version"]))


def head(crates: list[dict[str, Any]]) -> str:
    lines = [f"{crate['name']} {crate['version']}: {crate['license']}" for crate in crates]
    return "\n".join(["Strongroom's extension is linked from these crates. Their texts follow.\n", *lines])


def bodies(crates: list[dict[str, Any]]) -> list[str]:
    """Each text once, under the crates that carry it."""
    found: dict[str, tuple[str, list[str]]] = {}
    for crate in crates:
        texts = texts_of(crate)
        if not texts:
            print(f"{crate['name']}: no text of its licence; {crate['license']} is named", file=sys.stderr)
        for text in texts:
            key = hashlib.sha256(" ".join(text.split()).encode()).hexdigest()
            found.setdefault(key, (text, []))[1].append(crate["name"])
    rule = "-" * 80
    return [
        f"\n{rule}\n{', '.join(dict.fromkeys(names))}\n{rule}\n\n{text.strip()}\n" for text, names in found.values()
    ]


def texts_of(crate: dict[str, Any]) -> list[str]:
    place = Path(crate["manifest_path"]).parent
    paths = sorted({path for pattern in TEXTS for path in place.glob(pattern) if path.is_file()})
    return [path.read_text(encoding="utf-8", errors="replace") for path in paths if path.suffix not in CODE]


def run(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout


CODE = (".rs", ".py", ".go", ".c", ".h")

if __name__ == "__main__":
    main()
