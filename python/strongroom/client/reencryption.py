"""Re-encryption for `Room`: Rust reads, decrypts, encrypts and writes; this gives keys, walks folders and reports."""

from __future__ import annotations

import errno
import os
import time
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from strongroom import crypto
from strongroom.client.census import place_of
from strongroom.client.results import ReencryptResult
from strongroom.errors import (
    AuthenticationFailed,
    Cancelled,
    FormatError,
    InternalError,
    KeyNotFound,
    Misuse,
    PartialFailure,
    SourceChanged,
    StrongroomError,
    TreeMismatch,
)
from strongroom.model import Reencryption

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from strongroom.client.moving import MovingKeys
    from strongroom.crypto import Control
    from strongroom.keyservice import KeyService

    Path = str | os.PathLike[str]


@dataclass(frozen=True, slots=True)
class Options:
    """How to re-encrypt. `rate` in bytes of plaintext a second."""

    rate: int | None = None
    dry_run: bool = False


def reencrypt(
    keys: MovingKeys, path: Path, options: Options, control: Control | None, service: KeyService
) -> ReencryptResult:
    """A message file, a tree, or a folder of both; raises `PartialFailure` if some of it failed. `service` is told of it."""
    start = time.perf_counter()
    if options.rate is not None and options.rate < 1:
        raise Misuse(f"a rate is 1 byte a second or more, not {options.rate}")
    # what is replaced is the file, not a link to it
    real = os.path.realpath(path)
    refuse_part_of_tree(real)
    job = Job(keys, options, control or crypto.Control())
    with recorded(job, keys, real, service) if not options.dry_run else nullcontext():
        if not os.path.isdir(real):
            job.file(real)
        elif is_tree(real):
            job.tree(real)
        else:
            job.folder(real)
        result = job.result(os.fspath(path), time.perf_counter() - start)
        if result.failures:
            raise ReencryptFailure(result)
    return result


@contextmanager
def recorded(job: Job, keys: MovingKeys, path: str, service: KeyService) -> Iterator[None]:
    """Tell the audit log that a job begins, and what came of it however it ends."""
    place = place_of(path)
    begun = service.begin_reencryption(keys.request, place, keys.to_suite, everything=keys.everything)
    try:
        yield
    except BaseException as error:
        # what went wrong first is what the caller hears
        with suppress(StrongroomError):
            service.end_reencryption(keys.request, begun, place, job.told(outcome_of(error)))
        raise
    service.end_reencryption(keys.request, begun, place, job.told(DONE))


class Job:
    """One run, and what came of it so far."""

    def __init__(self, keys: MovingKeys, options: Options, control: Control) -> None:
        self._keys = keys
        self._options = options
        self._control = control
        self._files = self._moved = self._settled = self._others = self._resumed = 0
        self._plaintext_bytes = self._message_bytes = 0
        self._failures: list[tuple[str, Exception]] = []

    def file(self, path: str) -> None:
        """One message file."""
        message = crypto.MessageFile.open(path)
        self._files += 1
        if self._keys.is_settled(message.header):
            self._settled += 1
            return
        if self._options.dry_run:
            self._plaintext_bytes += (message.layout() or (0, 0))[1]
        else:
            done = crypto.reencrypt_file(path, self._keys, rate=self._options.rate, control=self._control)
            self._plaintext_bytes += done.plaintext_bytes if done else 0
            self._message_bytes += done.message_bytes if done else 0
        self._moved += 1

    def tree(self, path: str, within: str = "") -> None:
        """One tree. What failed of it is called as it stands in `within`, or in the tree itself."""
        self._resumed += os.path.exists(os.path.join(path, ".strongroom", "journal"))
        files, size = self._control.files_done, self._control.bytes_done
        try:
            report = crypto.reencrypt_tree(
                path, self._keys, rate=self._options.rate, dry_run=self._options.dry_run, control=self._control
            )
        except BaseException:
            # there is no report, and messages have their names all the same
            self._files += self._control.files_done - files
            self._moved += self._control.files_done - files
            self._plaintext_bytes += self._control.bytes_done - size
            raise
        self._files += report.files
        self._settled += report.kept
        self._moved += report.files - report.kept - len(report.failures)
        self._plaintext_bytes += report.plaintext_bytes
        self._message_bytes += report.message_bytes
        self._failures += [(os.path.join(within, os.fsdecode(name)), error) for name, error in report.failures]

    def folder(self, path: str) -> None:
        """All trees and message files beneath a folder that is no tree."""
        for found, is_folder in self._beneath(path):
            name = os.path.relpath(found, path)
            try:
                if is_folder:
                    self.tree(found, name)
                elif is_message(found):
                    self.file(found)
                else:
                    self._others += 1
            except OF_ONE as error:
                self._failures.append((name, error))

    def _beneath(self, path: str) -> Iterator[tuple[str, bool]]:
        """Trees (True) and files (False), in order, without following links."""
        try:
            with os.scandir(path) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            self._failures.append((path, error))
            return
        for entry in found:
            if entry.is_file(follow_symlinks=False):
                yield entry.path, False
            elif entry.is_dir(follow_symlinks=False):
                if is_tree(entry.path):
                    yield entry.path, True
                else:
                    yield from self._beneath(entry.path)

    def told(self, outcome: str) -> Reencryption:
        """What the audit log is told of it."""
        return Reencryption(
            outcome=outcome,
            messages=self._moved,
            bytes=self._plaintext_bytes,
            settled=self._settled,
            failed=len(self._failures),
            resumed=self._resumed,
            keys=self._keys.ways.told(),
        )

    def result(self, path: str, seconds: float) -> ReencryptResult:
        """All of it."""
        return ReencryptResult(
            path=path,
            dry_run=self._options.dry_run,
            files=self._files,
            moved=self._moved,
            settled=self._settled,
            others=self._others,
            plaintext_bytes=self._plaintext_bytes,
            message_bytes=self._message_bytes,
            failures=tuple(self._failures),
            seconds=seconds,
        )


def together(results: Sequence[ReencryptResult], failures: Sequence[tuple[str, Exception]]) -> ReencryptResult:
    """Several runs as one, and what could not be begun. Failures are called by the path of their run."""
    named = [(os.path.join(one.path, name), error) for one in results for name, error in one.failures]
    return ReencryptResult(
        path=os.path.commonpath([os.path.abspath(one.path) for one in results]) if results else "",
        dry_run=any(one.dry_run for one in results),
        **{amount: sum(getattr(one, amount) for one in results) for amount in AMOUNTS},
        failures=(*named, *failures),
        seconds=sum(one.seconds for one in results),
    )


class ReencryptFailure(PartialFailure):
    """Some files could not be re-encrypted, and stay as they are; the others are done. `result` counts both."""

    def __init__(self, result: ReencryptResult) -> None:
        path, error = result.failures[0]
        others = len(result.failures) - 1
        more = f", and {others} more" if others else ""
        text = str(error) if isinstance(error, StrongroomError | OSError) else type(error).__name__
        super().__init__(f"{path}: {text}{more}", result.failures)
        self.result = result


def refuse_part_of_tree(path: str) -> None:
    """A message of a tree is named in its manifest, so it moves with its tree or not at all."""
    above = os.path.dirname(path)
    while above != os.path.dirname(above):
        if is_tree(above):
            raise Misuse(f"{path} is part of the encrypted tree {above}: re-encrypt the tree")
        above = os.path.dirname(above)


def outcome_of(error: BaseException) -> str:
    """The code of what ended a job."""
    match error:
        case StrongroomError():
            return error.code
        case OSError():
            return f"os.{errno.errorcode.get(error.errno or 0, 'error').lower()}"
        case Exception():
            return InternalError.code
        case _:
            return Cancelled.code


def is_tree(folder: str) -> bool:
    """Whether a folder is an encrypted tree, finished or not."""
    return os.path.isdir(os.path.join(folder, ".strongroom"))


def is_message(path: str) -> bool:
    """Whether a file begins as a message does."""
    try:
        crypto.MessageFile.open(path)
    except FormatError:
        return False
    return True


DONE = "done"
AMOUNTS = ("files", "moved", "settled", "others", "plaintext_bytes", "message_bytes")

# of one file, which does not stop the others
OF_ONE = (
    AuthenticationFailed,
    FileNotFoundError,
    FormatError,
    KeyNotFound,
    PermissionError,
    SourceChanged,
    TreeMismatch,
)
