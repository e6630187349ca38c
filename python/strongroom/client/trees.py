"""Trees for `Room`: Rust walks and works, this gives keys and reports."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client.results import TreeResult
from strongroom.errors import PartialFailure, StrongroomError

if TYPE_CHECKING:
    from strongroom.client.keysource import KeySource
    from strongroom.crypto import Control, TreeReport

    Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Options:
    """What to do with a tree."""

    resume: bool = False
    force: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    dry_run: bool = False


def encrypt(keys: KeySource, src: Path, dst: Path, options: Options, control: Control | None) -> TreeResult:
    """Encrypt a tree; raises `PartialFailure` if some of it failed."""
    start = time.perf_counter()
    report = crypto.encrypt_tree(
        src,
        dst,
        keys,
        resume=options.resume,
        force=options.force,
        include=options.include,
        exclude=options.exclude,
        dry_run=options.dry_run,
        control=control,
    )
    return _result(report, src, dst, start)


def decrypt(
    keys: KeySource, src: Path, dst: Path, options: Options, only: Path | None, control: Control | None
) -> TreeResult:
    """Decrypt a tree or a part of it; raises `PartialFailure` if some of it failed."""
    start = time.perf_counter()
    report = crypto.decrypt_tree(
        src,
        dst,
        keys,
        resume=options.resume,
        force=options.force,
        include=options.include,
        exclude=options.exclude,
        only=None if only is None else os.fsencode(only),
        control=control,
    )
    return _result(report, src, dst, start)


def verify(keys: KeySource, path: Path, control: Control | None) -> TreeResult:
    """Authenticate a whole tree; raises `PartialFailure` if some of it is not what the manifest says."""
    start = time.perf_counter()
    return _result(crypto.verify_tree(path, keys, control=control), path, None, start)


def _result(report: TreeReport, src: Path, dst: Path | None, start: float) -> TreeResult:
    result = TreeResult(
        source=os.fspath(src),
        target=None if dst is None else os.fspath(dst),
        files=report.files,
        directories=report.directories,
        links=report.links,
        plaintext_bytes=report.plaintext_bytes,
        message_bytes=report.message_bytes,
        resumed=report.kept,
        removed=report.removed,
        hard_links=report.hard_links,
        skipped=tuple((os.fsdecode(path), why) for path, why in report.skipped),
        failures=tuple((os.fsdecode(path), error) for path, error in report.failures),
        seconds=time.perf_counter() - start,
    )
    if result.failures:
        raise TreeFailure(result)
    return result


class TreeFailure(PartialFailure):
    """Some files of a tree failed, and the others are done. `result` counts both, `failures` names the former."""

    def __init__(self, result: TreeResult) -> None:
        path, error = result.failures[0]
        others = len(result.failures) - 1
        more = f", and {others} more" if others else ""
        text = str(error) if isinstance(error, StrongroomError | OSError) else type(error).__name__
        super().__init__(f"{path}: {text}{more}", result.failures)
        self.result = result
