import subprocess
import sys
import time

import pytest

HEAVY = ("sqlalchemy", "alembic", "rich", "structlog", "platformdirs", "strongroom._rust", "strongroom.client")
LOADED = f"import sys; print([name for name in {HEAVY!r} if name in sys.modules])"


@pytest.mark.parametrize(
    "use",
    [
        "import strongroom.cli.table",
        "from strongroom.cli.run import run; run(['--help'])",
        "from strongroom.cli.run import run; run(['encrypt', '--help'])",
        "from strongroom.cli.run import run; run(['no-such-command'])",
    ],
)
def test_help_imports_nothing_heavy(use: str) -> None:
    assert python(f"{use}\n{LOADED}").splitlines()[-1] == "[]"


def test_a_heavy_import_would_be_found() -> None:
    assert python(f"import strongroom.cli.table, rich\n{LOADED}").splitlines()[-1] == "['rich']"


def test_only_the_command_that_runs_is_imported() -> None:
    script = "from strongroom.cli.run import run; run(['why', '--help'])\nimport sys\nprint(*sorted(sys.modules))"
    modules = python(script).splitlines()[-1].split()
    assert [name for name in modules if name.startswith("strongroom.cli.commands.")] == ["strongroom.cli.commands.why"]


def test_help_starts_about_as_fast_as_click() -> None:
    click, ours = fastest("import click", "from strongroom.cli.run import run; run(['--help'])")
    print(f"import click {click * 1000:.0f} ms, strongroom --help {ours * 1000:.0f} ms")
    assert ours <= 2 * click + 0.050


def python(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def fastest(*codes: str) -> list[float]:
    """Seconds of each, by turns, so that what else the machine does meets all of them."""
    times: list[list[float]] = [[] for _ in codes]
    for _ in range(7):
        for code, taken in zip(codes, times, strict=True):
            start = time.perf_counter()
            python(code)
            taken.append(time.perf_counter() - start)
    return [min(taken) for taken in times]
