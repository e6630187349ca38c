"""Some rewritten logs; `python -m torture rewrites --rewrites 200 --put-back 50` does it in earnest."""

from __future__ import annotations

import argparse

from torture import rewrites


def test_a_rewritten_log_is_caught() -> None:
    parser = argparse.ArgumentParser()
    rewrites.arguments(parser)
    report = rewrites.run(parser.parse_args(["--rewrites", "3", "--put-back", "1"]))
    assert report.held, "\n".join(report.lines())
    assert len(report.controls) == 2
