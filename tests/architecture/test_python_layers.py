import shutil
import subprocess
import sys
from pathlib import Path

from architecture.detectors import PACKAGE, ROOT, foreign_imports

DOORS = {
    "strongroom._rust": ("crypto",),
    "sqlalchemy": ("keystore",),
    "alembic": ("keystore",),
    "click": ("cli",),
    "rich": ("cli",),
    "jinja2": ("report",),
    # `testing` stands for a token
    "pkcs11": ("providers", "testing"),
    "prometheus_client": ("observe",),
    "opentelemetry": ("observe",),
    # secrets and nonces are drawn in Rust, and randomness of no consequence is not worth the doubt
    "random": (),
    # the tests' peer; the package has one crypto library
    "cryptography": (),
}


def test_layers() -> None:
    result = lint_imports(ROOT, PACKAGE.parent)
    assert result.returncode == 0, result.stdout


def test_a_planted_upward_import_is_found(tmp_path: Path) -> None:
    shutil.copytree(PACKAGE, tmp_path / "strongroom", ignore=shutil.ignore_patterns("*.so", "__pycache__"))
    with (tmp_path / "strongroom" / "errors.py").open("a") as file:
        file.write("\nfrom strongroom import cli\n")
    (tmp_path / "strongroom" / "cli").mkdir(exist_ok=True)
    (tmp_path / "strongroom" / "cli" / "__init__.py").touch()
    result = lint_imports(ROOT, tmp_path)
    assert result.returncode != 0
    assert "strongroom.errors -> strongroom.cli" in result.stdout


def test_doors() -> None:
    assert foreign_imports(PACKAGE, DOORS) == []


def test_planted_imports_are_found(tmp_path: Path) -> None:
    room = tmp_path / "strongroom" / "client"
    room.mkdir(parents=True)
    (room / "a.py").write_text("from .. import _rust\n")
    (room / "b.py").write_text("def f():\n    import sqlalchemy.orm\n")
    (room / "c.py").write_text("from strongroom._rust import DataKey\n")
    (tmp_path / "strongroom" / "crypto.py").write_text("from strongroom import _rust\n")
    assert foreign_imports(tmp_path / "strongroom", DOORS) == [
        "client/a.py:1 imports strongroom._rust",
        "client/b.py:2 imports sqlalchemy.orm",
        "client/c.py:1 imports strongroom._rust.DataKey",
    ]


def lint_imports(config: Path, source: Path) -> subprocess.CompletedProcess[str]:
    linter = Path(sys.executable).with_name("lint-imports")
    command = [str(linter), "--no-cache", "--config", str(config / "pyproject.toml")]
    # the linter's own working directory comes first on the path of what it reads
    return subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)
