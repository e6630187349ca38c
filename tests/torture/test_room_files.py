"""Some edits of every file of a room; `python -m torture room_files --edits 10000` does it in earnest."""

from __future__ import annotations

import argparse

from torture import room_files


def test_an_edited_room_opens_as_it_was_or_is_refused() -> None:
    parser = argparse.ArgumentParser()
    room_files.arguments(parser)
    report = room_files.run(parser.parse_args(["--edits", "20"]))
    assert report.held, "\n".join(report.lines())
    assert report.controls
