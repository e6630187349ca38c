"""Some tampering; `python -m torture tamper --entries 10000 --every-byte` does it in earnest."""

from __future__ import annotations

import argparse

from torture import tamper


def test_tampering_is_found() -> None:
    parser = argparse.ArgumentParser()
    tamper.arguments(parser)
    report = tamper.run(parser.parse_args(["--entries", "600", "--edits", "15"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 3
