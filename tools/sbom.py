"""Writes what is in a wheel and what it needs, as CycloneDX.

    python tools/sbom.py FOLDER                 strongroom-rust.cdx.json, strongroom-python.cdx.json
    python tools/sbom.py --requirements FILE    the Python packages alone, pinned, for pip-audit

The crates are those of the wheel's own document, which maturin made while it built; the packages are those that pip
installs for the wheel today.
"""

import json
import subprocess
import sys
import tempfile
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main() -> None:
    if sys.argv[1] == "--requirements":
        target = Path(sys.argv[2])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(installed()) + "\n", encoding="utf-8")
        return
    folder = Path(sys.argv[1])
    [wheel] = folder.glob("strongroom-*.whl")
    (folder / "strongroom-rust.cdx.json").write_bytes(crates(wheel))
    (folder / "strongroom-python.cdx.json").write_bytes(packages())
    for name in ("strongroom-rust.cdx.json", "strongroom-python.cdx.json"):
        print(f"{folder / name}: {len(json.loads((folder / name).read_bytes())['components'])} components")


def crates(wheel: Path) -> bytes:
    with zipfile.ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith("strongroom-bindings.cyclonedx.json")]
        return archive.read(name)


def packages() -> bytes:
    with tempfile.TemporaryDirectory() as scratch:
        requirements = Path(scratch, "requirements.txt")
        requirements.write_text("\n".join(installed()), encoding="utf-8")
        command = ["cyclonedx-py", "requirements", "--pyproject", "pyproject.toml", str(requirements)]
        return subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True).stdout


def installed() -> list[str]:
    """The packages that the project needs when it runs, with the versions that pip takes, as in `click==8.4.0`."""
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--report", "-"]
    said = subprocess.run([*command, *wanted], stdout=subprocess.PIPE, check=True).stdout
    found = [one["metadata"] for one in json.loads(said)["install"]]
    return sorted(f"{one['name']}=={one['version']}" for one in found)


if __name__ == "__main__":
    main()
