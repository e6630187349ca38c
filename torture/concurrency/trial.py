"""What each part of the program is given."""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass

from torture.concurrency.books import Books
from torture.place import Place
from torture.report import Report


@dataclass(frozen=True)
class Trial:
    """One part, in a room of its own."""

    place: Place
    dice: random.Random
    options: argparse.Namespace
    books: Books
    report: Report
