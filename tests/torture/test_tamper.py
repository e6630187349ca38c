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


def test_every_byte_and_every_entry() -> None:
    parser = argparse.ArgumentParser()
    tamper.arguments(parser)
    options = ["--entries", "40", "--edits", "0", "--every-byte", "--whole", "1000"]
    report = tamper.run(parser.parse_args(options))
    assert report.held, "\n".join(report.lines())
    assert report.tried["every byte"] > 40 * 300
    assert report.tried["of these verified with the whole log"] >= 12
    assert report.tried["every entry deleted"] >= 40
