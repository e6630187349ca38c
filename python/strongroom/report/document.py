"""A report as JSON: what the page says, whole where the page shows the newest or the most."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from strongroom.report.cbom import bom

if TYPE_CHECKING:
    from strongroom.report.activity import Activity, Groups, Timeline, Times, Use
    from strongroom.report.evidence import Evidence


def document(evidence: Evidence) -> dict[str, object]:
    """The report as one object. `strongroom-report` is the version of its form, which only grows within it."""
    plain = {name: spelled(getattr(evidence, name)) for name in PLAIN}
    return {
        "strongroom-report": 1,
        **plain,
        "wraps": [
            {"key_id": key_id, "version": version, "reserved": reserved}
            for (key_id, version), reserved in sorted(evidence.wraps.items())
        ],
        "suites": [suite_as_json(each) for each in evidence.suites],
        "activity": activity_as_json(evidence.activity),
        "cbom": bom(evidence),
    }


def activity_as_json(activity: Activity) -> dict[str, object]:
    """What was done in the period."""
    return {
        "entries": activity.entries,
        "entries_of_all_time": activity.seen,
        "incomplete": activity.incomplete,
        "events": dict(sorted(activity.events.items())),
        "use": [use_as_json(("principal", "data_class", "purpose"), *each) for each in ranked_use(activity.use)],
        "use_by_others": use_as_json((), (), activity.use.others) if activity.use.overflowed else None,
        "reasons": [times_as_json(("reason",), *each) for each in ranked(activity.reasons)],
        "denied": activity.denied,
        "failed": activity.failed,
        "refusals": [times_as_json(REFUSAL, *each) for each in ranked(activity.refusals)],
        "changed": activity.changed,
        "newest_changes": spelled(activity.changes),
        "released_by_class": timeline_as_json(activity.released),
        "refused": timeline_as_json(activity.refused),
    }


def use_as_json(names: tuple[str, ...], values: tuple[str, ...], use: Use) -> dict[str, object]:
    """Who did how much."""
    return {**dict(zip(names, values, strict=True)), "leases": use.leases, **spelled(use)}


def times_as_json(names: tuple[str, ...], values: tuple[str, ...], times: Times) -> dict[str, object]:
    """What happened how often."""
    return {**dict(zip(names, values, strict=True)), **spelled(times)}


def timeline_as_json(timeline: Timeline) -> dict[str, object]:
    """Counts by spans of time."""
    return {"seconds": timeline.step.total_seconds(), "starts": spelled(timeline.starts), "series": timeline.series}


def ranked_use(groups: Groups[Use]) -> list[tuple[tuple[str, ...], Use]]:
    """Who used what, those who were given most keys first."""
    return groups.ranked(lambda use: use.leases)


def ranked(groups: Groups[Times]) -> list[tuple[tuple[str, ...], Times]]:
    """What happened, the most frequent first."""
    return groups.ranked(lambda times: times.count)


def suite_as_json(used: Any) -> dict[str, object]:
    """A suite and where it is used."""
    suite = used.suite
    return {
        "suite": f"{suite.id:04x}",
        "name": suite.name,
        "classes": list(used.classes),
        "messages": used.messages,
        "bytes": used.bytes,
        "not_after": suite.not_after,
        "replacement": None if suite.replacement is None else f"{suite.replacement:04x}",
        "past": used.past,
    }


def spelled(value: Any) -> Any:
    """A noun as JSON: dataclasses as objects, times as RFC 3339 in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if is_dataclass(value):
        return {item.name: spelled(getattr(value, item.name)) for item in fields(value)}
    if isinstance(value, dict):
        return {str(name): spelled(item) for name, item in value.items()}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return [spelled(item) for item in value]


PLAIN = (
    "room",
    "home",
    "owner",
    "host",
    "user",
    "library",
    "made",
    "period",
    "verdicts",
    "epoch",
    "root_version",
    "ways",
    "classes",
    "keys",
    "due",
    "places",
    "census",
    "backup",
    "data",
    "data_unread",
    "logs",
    "agreement",
    "forwarding",
    "behind",
    "unreached",
)
REFUSAL = ("how", "principal", "action", "data_class", "why")
