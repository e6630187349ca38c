"""Results of jobs as one JSON object and as one line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from strongroom.cli.failures import as_items
from strongroom.cli.words import count, duration, rate, shown, size

if TYPE_CHECKING:
    from strongroom.client.results import FileResult, ReencryptResult, TreeResult


def document(result: FileResult | TreeResult | ReencryptResult) -> dict[str, object]:
    """Make the JSON object of a job: the same keys for all, and those that only some results have."""
    return {
        "files": getattr(result, "files", 1),
        "directories": getattr(result, "directories", 0),
        "links": getattr(result, "links", 0),
        "plaintext_bytes": result.plaintext_bytes,
        "message_bytes": result.message_bytes,
        "seconds": result.seconds,
        "bytes_per_second": round(result.plaintext_bytes / result.seconds) if result.seconds else None,
        "resumed": getattr(result, "resumed", 0),
        "removed": getattr(result, "removed", 0),
        "hard_links": getattr(result, "hard_links", 0),
        "skipped": [{"path": os.fsdecode(path), "why": str(why)} for path, why in getattr(result, "skipped", ())],
        "failures": as_items(getattr(result, "failures", ())),
    } | {key: getattr(result, key) for key in OF_SOME if hasattr(result, key)}


def sentence(verb: str, result: FileResult | TreeResult) -> str:
    """`encrypted 24,312 files, 1.9 GiB in 2.1 s (0.9 GiB/s)`."""
    numbers = document(result)
    parts = [count(getattr(result, "files", 1), "file"), size(result.plaintext_bytes)]
    if numbers["resumed"]:
        parts[0] += f" ({getattr(result, 'resumed', 0):,} of them done before)"
    if numbers["hard_links"]:
        parts.append(f"{count(getattr(result, 'hard_links', 0), 'hard link')} copied")
    speed = rate(result.plaintext_bytes, result.seconds)
    return f"{verb} {', '.join(parts)} in {duration(result.seconds)} ({speed})"


def skipped(result: FileResult | TreeResult) -> list[str]:
    """Give a line to each of the first entries that were left out, and say how many more there are."""
    entries = getattr(result, "skipped", ())
    lines = [f"  skipped {shown(path)}: {why}" for path, why in entries[:SHOWN]]
    return lines + ([f"  and {len(entries) - SHOWN:,} more"] if len(entries) > SHOWN else [])


SHOWN = 20
OF_SOME = ("frames", "message_id", "data_class", "key_id", "key_version", "moved", "settled", "others", "dry_run")
