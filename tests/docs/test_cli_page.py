import runpy
from pathlib import Path

SCRIPT = Path(__file__).parents[2] / "docs" / "build_cli.py"


def test_the_page_says_what_help_says() -> None:
    made = runpy.run_path(str(SCRIPT))
    assert made["PAGE"].read_text() == made["build"](), "run docs/build_cli.py"
