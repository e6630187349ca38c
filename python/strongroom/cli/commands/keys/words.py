"""Keys as JSON and as lines."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

from strongroom.cli.periods import moment, span
from strongroom.cli.report import table
from strongroom.cli.words import shown

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from strongroom.keyservice import DueTask
    from strongroom.keystore import HistoryRecord
    from strongroom.model import Key, KeyVersion


def as_json(key: Key) -> dict[str, object]:
    """Turn a key and its versions into JSON."""
    return {
        "id": key.id,
        "class": key.data_class,
        "scope": key.scope,
        "primary": key.primary or None,
        "current": key.current,
        "created": key.created.isoformat(),
        "owner": key.owner,
        "contact": key.contact,
        "description": key.description,
        "tags": dict(key.tags),
        "versions": [version_as_json(version) for version in key.versions],
    }


def version_as_json(version: KeyVersion) -> dict[str, object]:
    """Turn a version into JSON."""
    return {
        "version": version.version,
        "state": version.state,
        "primary": version.primary,
        "compromised": version.compromised,
        "created": version.created.isoformat(),
        **{name: maybe(getattr(version, name)) for name in ("activates", "activated", "active_until", "destroy_at")},
        "root_version": version.root_version,
        "token": version.token,
    }


def step_as_json(step: HistoryRecord) -> dict[str, object]:
    """Turn a step of a history into JSON."""
    return {
        "version": step.version,
        "number": step.number,
        "edge": step.edge,
        "source": step.source,
        "target": step.target,
        "time": step.time.isoformat(),
        "actor": step.actor,
        "principal": step.principal,
        "purpose": step.purpose,
        "reason": step.reason,
        "approvals": step.approvals,
        "event": step.event_id,
    }


def due_as_json(task: DueTask) -> dict[str, object]:
    """Turn a task into JSON."""
    return {
        "task": task.task,
        "class": task.data_class,
        "key_id": task.key_id,
        "version": task.version,
        "when": task.when.isoformat(),
        "why": task.why,
        "overdue": task.overdue,
    }


def maybe(time: datetime | None) -> str | None:
    """A time in ISO 8601, if there is one."""
    return None if time is None else time.isoformat()


def scope_words(scope: Mapping[str, str] | None) -> str:
    """`region=eu,tenant=acme`, and a dash for a class without scopes."""
    return "-" if scope is None else shown(",".join(f"{key}={value}" for key, value in sorted(scope.items())))


def key_lines(keys: Sequence[Key]) -> list[str]:
    """List versions, one a line."""
    rows = [
        (
            key.id,
            key.data_class,
            scope_words(key.scope),
            version.version,
            version.state,
            "*" if version.primary and key.current else "",
        )
        for key in keys
        for version in key.versions
    ]
    return table([("KEY", "CLASS", "SCOPE", "VERSION", "STATE", "PRIMARY"), *rows])


def due_lines(tasks: Sequence[DueTask], now: datetime) -> list[str]:
    """List what is due, one a line."""
    rows = [
        (task.task, task.key_id, task.version, task.data_class, moment(task.when), distance(task.when, now), task.why)
        for task in tasks
    ]
    return table([("TASK", "KEY", "VERSION", "CLASS", "WHEN", "", "WHY"), *rows])


def distance(when: datetime, now: datetime) -> str:
    """How far a date is away."""
    seconds = (when - now).total_seconds()
    return f"in {span(seconds)}" if seconds > 0 else "now" if seconds > -60 else f"{span(-seconds)} ago"


def portrait(key: Key, history: Sequence[HistoryRecord]) -> list[str]:
    """Say all there is to say of a key: facts, the life of each version, and every step of it."""
    facts = {
        "key": key.id,
        "class": key.data_class,
        "scope": scope_words(key.scope),
        "primary": f"version {key.primary}" if key.primary else "none",
        "current": "yes" if key.current else "no: another key has taken its place",
        "owner": shown(key.owner) or "-",
        "contact": shown(key.contact) or "-",
        "about": shown(key.description) or "-",
        "tags": scope_words(key.tags) or "-",
    }
    steps = [
        (s.version, moment(s.time), s.edge or "-", s.target, shown(s.principal), shown(s.reason) or "-")
        for s in history
    ]
    return [
        *(f"{name:<12}{value}" for name, value in facts.items()),
        "",
        *lives(key, history),
        "",
        *table([("VERSION", "TIME", "EDGE", "STATE", "BY", "REASON"), *steps]),
    ]


def lives(key: Key, history: Sequence[HistoryRecord]) -> Iterator[str]:
    """Draw the life of each version: its states, and how long it was in each."""
    for version in key.versions:
        steps = [step for step in history if step.version == version.version]
        stays = [(a.target, (b.time - a.time).total_seconds()) for a, b in pairwise(steps)]
        # created and activated in one moment: the state in between is of no interest
        words = [f"{state} {span(seconds)}" for state, seconds in stays if seconds > 0]
        since = f"{version.state} for {span((datetime.now(UTC) - steps[-1].time).total_seconds())}" if steps else ""
        yield f"version {version.version:<4}{' ──► '.join([*words, since])}{ends(version)}"


def ends(version: KeyVersion) -> str:
    """Add where its KEK is, the date that a state ends on, and what a tombstone is marked with."""
    return ending(version) + (f", in the token {version.token}" if version.token else "")


def ending(version: KeyVersion) -> str:
    """Say what comes next."""
    if version.destroy_at is not None and version.state == "DESTROY_SCHEDULED":
        return f" ──► DESTROYED after {moment(version.destroy_at)}"
    if version.activates is not None and version.state == "PRE_ACTIVE":
        return f" ──► ACTIVE on {moment(version.activates)}"
    if version.active_until is not None and version.state == "ACTIVE":
        return f" ──► DEACTIVATED on {moment(version.active_until)}"
    return ", compromised" if version.compromised and version.state == "DESTROYED" else ""
