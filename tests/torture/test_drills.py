"""Drills in small; `python -m torture drills --drills 100` does it in earnest."""

import argparse

from torture import drills


def test_a_destroyed_room_comes_back() -> None:
    parser = argparse.ArgumentParser()
    drills.arguments(parser)
    report = drills.run(parser.parse_args(["--drills", "4"]))
    assert report.held, "\n".join(report.lines())
    assert report.tried["sets of 3 of 5 shares that open"] == 10
    assert report.tried["sets of 2 of 5 shares that do not"] == 10
