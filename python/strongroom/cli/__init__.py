"""The command `strongroom`. Nothing here imports the extension, SQLAlchemy or rich before a subcommand needs it."""

from __future__ import annotations

import sys
from typing import NoReturn

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command line and leave with its exit code."""
    from strongroom.cli.run import run

    sys.exit(run(sys.argv[1:]))
