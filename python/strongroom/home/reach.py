"""Whether the witnesses of a room's log, and the place that it forwards to, were reached when they were told last.

Each has a file of its own in the folder `reach` of the log, so what works for one says nothing of another. Not authenticated,
since it only reminds. Specified in docs/spec/audit.md, "reach".
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from strongroom.audit.cosigning import Cosigner, cosigned_size
from strongroom.audit.reading import signed_size
from strongroom.errors import AuditTampered
from strongroom.files import DIRECTORY_MODE, NOT_OURS, write_private
from strongroom.home.places import AUDIT_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from pathlib import Path

    from strongroom.model import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A witness, or the target that entries are forwarded to, by `name`: when it was reached last, None for never.

    `failing` says since when it is not, and `problem` why; `alarm` is set where a witness has seen another log. `behind` counts the sealed
    entries that it has not got yet.
    """

    name: str
    is_witness: bool
    reached: datetime | None
    failing: datetime | None
    problem: str | None
    alarm: bool
    behind: int

    @property
    def works(self) -> bool:
        """Whether it was reached when it was told last."""
        return self.reached is not None and self.failing is None


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What a file says."""

    name: str
    reached: str | None = None
    failing: str | None = None
    problem: str | None = None
    alarm: bool = False


def note(folder: Path, file: str, name: str, error: Exception | None) -> None:
    """Remember how it went with the witness or target `name`. Raises OSError."""
    before, now = state_in(folder, file), datetime.now(UTC).isoformat(timespec="seconds")
    if error is None:
        after = State(name=name, reached=now)
    else:
        known = before if before is not None and before.name == name else State(name=name)
        after = State(
            name=name,
            reached=known.reached,
            failing=known.failing or now,
            problem=str(error),
            alarm=isinstance(error, AuditTampered),
        )
    (folder / REACH).mkdir(mode=DIRECTORY_MODE, exist_ok=True)
    write_private(folder / REACH / file, json.dumps(asdict(after), sort_keys=True).encode() + b"\n")


def forget(folder: Path, kept: Collection[str]) -> None:
    """Remember only of these how it went: the others are not told any more."""
    for file, _ in states(folder):
        if file not in kept:
            (folder / REACH / file).unlink(missing_ok=True)


def failed_lately(folder: Path, file: str) -> bool:
    """Whether it did not work a short time ago: then nobody waits for it again so soon."""
    state = state_in(folder, file)
    try:
        tried = (folder / REACH / file).stat().st_mtime
    except OSError:
        return False
    return state is not None and state.failing is not None and 0 <= time.time() - tried < PAUSE


def unreached(home: Path) -> tuple[str, ...]:
    """What is wrong with each that was not reached last, none where nothing is."""
    return tuple(state.problem for _, state in states(home / AUDIT_DIRECTORY) if state.problem is not None)


def told_lately(home: Path) -> tuple[Reach, ...]:
    """All that were told, by what their files say: it takes no key. Raises AuditUnavailable."""
    folder = home / AUDIT_DIRECTORY
    return tuple(reach(folder, file, state) for file, state in states(folder))


def reaches(home: Path, settings: Settings) -> tuple[Reach, ...]:
    """The same of those that are set up, whether they were told or not. Raises AuditUnavailable."""
    folder, wanted = home / AUDIT_DIRECTORY, files_of(settings)
    found = {file: state_in(folder, file) for file in wanted}
    return tuple(
        reach(folder, file, state if state is not None and state.name == name else State(name=name))
        for (file, name), state in zip(wanted.items(), found.values(), strict=True)
    )


def files_of(settings: Settings) -> dict[str, str]:
    """The file of each that is set up, and what it is called."""
    witnesses = {witness_file(Cosigner.parse(each.vkey)): each.name for each in settings.witnesses}
    return witnesses if settings.forwarding is None else witnesses | {FORWARDING: settings.forwarding}


def witness_file(cosigner: Cosigner) -> str:
    """The file of a witness."""
    return cosigner.key_id.hex()


def reach(folder: Path, file: str, state: State) -> Reach:
    """What a file says, and what is to be done."""
    # which brings clients for the network with it
    from strongroom.audit.forwarding import cursor

    got = cursor(folder, state.name) if file == FORWARDING else cosigned_size(folder, file)
    return Reach(
        name=state.name,
        is_witness=file != FORWARDING,
        reached=moment(state.reached),
        failing=moment(state.failing),
        problem=state.problem,
        alarm=state.alarm,
        behind=max(signed_size(folder) - got, 0),
    )


def states(folder: Path) -> Iterator[tuple[str, State]]:
    """Every file, by name. What is none is left out."""
    try:
        names = sorted(path.name for path in (folder / REACH).iterdir() if not path.name.startswith("."))
    except OSError:
        return
    for name in names:
        state = state_in(folder, name)
        if state is not None:
            yield name, state


def state_in(folder: Path, file: str) -> State | None:
    """What a file says, None for one that is not there, or is none that was ever written."""
    try:
        said = json.loads((folder / REACH / file).read_bytes())
        texts = {name: said[name] for name in ("reached", "failing", "problem")}
        if not all(text is None or isinstance(text, str) for text in texts.values()):
            raise ValueError(texts)
        state = State(name=str(said["name"]), alarm=bool(said["alarm"]), **texts)
        moment(state.reached), moment(state.failing)
    except (OSError, *NOT_OURS):
        return None
    return state


def moment(text: str | None) -> datetime | None:
    """A time in a file."""
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


REACH, FORWARDING = "reach", "forwarding"
PAUSE = 60.0
