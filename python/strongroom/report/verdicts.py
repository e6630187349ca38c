"""The summary: every check, how it came out, and why."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from strongroom.model import KeyState
from strongroom.report.evidence import Evidence, Grade, Verdict
from strongroom.report.words import count, listed

if TYPE_CHECKING:
    from collections.abc import Iterator


def verdicts(evidence: Evidence) -> Iterator[Verdict]:
    """Every check, in the order of the page."""
    yield Verdict("Audit log", *log(evidence))
    yield Verdict("Log and keystore", *agreement(evidence))
    yield Verdict("Witnesses", *witnesses(evidence))
    if evidence.forwarding is not None:
        yield Verdict("Forwarding", *forwarding(evidence))
    yield Verdict("Cryptoperiods", *periods(evidence))
    yield Verdict("Key states", *states(evidence))
    yield Verdict("Refusals and failures", *refusals(evidence))
    yield Verdict("Census", *census(evidence))
    yield Verdict("Backups", *backups(evidence))
    yield Verdict("Algorithms", *algorithms(evidence))


def log(evidence: Evidence) -> tuple[Grade, str]:
    """Whether every entry is what was written."""
    wrong = [each for each in evidence.logs if each.problem]
    if wrong:
        return Grade.WRONG, f"Log {wrong[0].id} does not verify: {wrong[0].problem}"
    if evidence.activity.incomplete:
        return Grade.WRONG, f"Not every entry could be read: {evidence.activity.incomplete}"
    absent = [each for each in evidence.logs if not each.at_hand]
    size = sum(each.size for each in evidence.logs)
    if absent:
        return (
            Grade.ATTENTION,
            f"{count(size, 'entry')} verified; not at hand: {count(len(absent), 'log')} of other places.",
        )
    if not evidence.logs:
        return Grade.WRONG, "The room has no audit log."
    return Grade.SOUND, f"Every one of {count(size, 'entry')} is what was written, under a signed checkpoint."


def agreement(evidence: Evidence) -> tuple[Grade, str]:
    """Whether nothing happened of which only one of the two knows."""
    found = evidence.agreement
    if not found.done:
        return Grade.WRONG, "Not compared, since the log does not verify."
    if found.wrong:
        return Grade.WRONG, f"{count(len(found.wrong), 'thing')} on which they do not agree."
    return Grade.SOUND, f"They agree on {count(found.changes, 'change')} of keys and {count(found.leases, 'lease')}."


def witnesses(evidence: Evidence) -> tuple[Grade, str]:
    """Whether somebody else has seen that the log only goes on."""
    found = [each for log in evidence.logs for each in log.witnesses]
    wrong = [each for each in found if each.problem]
    if wrong:
        return Grade.WRONG, f"The log is not the one that {wrong[0].name} has seen: {wrong[0].problem}"
    failing = [each for each in found if each.unreached]
    if failing:
        return Grade.ATTENTION, f"{failing[0].name} was not reached last: {failing[0].unreached}"
    if not found:
        return Grade.ATTENTION, "Nobody cosigns the log, so who holds the root could have rewritten it."
    late = [each for each in found if each.time is None or each.time < evidence.made - LATELY]
    if late:
        return (
            Grade.ATTENTION,
            f"{count(len(late), 'witness')} saw nothing of the log for {LATELY.days} days: {late[0].name}.",
        )
    size = min(each.size for each in found)
    return (
        Grade.SOUND,
        f"{count(len(found), 'witness')} saw the first {count(size, 'entry')} and that they only went on.",
    )


def forwarding(evidence: Evidence) -> tuple[Grade, str]:
    """Whether the receiver has what there is."""
    if evidence.unreached:
        return Grade.ATTENTION, f"{count(evidence.behind, 'entry')} behind: {evidence.unreached}"
    return Grade.SOUND, f"The receiver has got all but {count(evidence.behind, 'entry')} of the sealed log."


def periods(evidence: Evidence) -> tuple[Grade, str]:
    """Whether keys are rotated and retired in time."""
    overdue = [task for task in evidence.due if task.overdue]
    soon = [task for task in evidence.due if not task.overdue and task.when <= evidence.made + SOON]
    if overdue:
        return Grade.WRONG, f"{count(len(overdue), 'task')} overdue, the first since {overdue[0].when:%Y-%m-%d}."
    unlimited = [each.name for each in evidence.classes if not each.rotate_every and not each.originator_usage]
    if unlimited:
        return Grade.ATTENTION, f"No period is set for {count(len(unlimited), 'class')}: {listed(unlimited)}."
    return Grade.SOUND, f"Nothing is overdue; {count(len(soon), 'task')} due within {SOON.days} days."


def states(evidence: Evidence) -> tuple[Grade, str]:
    """Whether keys are as they should be."""
    versions = [version for key in evidence.keys for version in key.versions]
    bad = [each for each in versions if each.state in {KeyState.COMPROMISED, KeyState.SUSPENDED}]
    if bad:
        words = sorted({str(each.state).lower() for each in bad})
        return Grade.ATTENTION, f"{count(len(bad), 'key version')} {' or '.join(words)}."
    usable = sum(each.state is KeyState.ACTIVE for each in versions)
    return (
        Grade.SOUND,
        f"{count(len(evidence.keys), 'key')}, {count(len(versions), 'version')}, {usable:,} of them active.",
    )


def refusals(evidence: Evidence) -> tuple[Grade, str]:
    """Whether anybody was refused, or failed."""
    activity = evidence.activity
    if activity.denied or activity.failed:
        return Grade.ATTENTION, f"{activity.denied:,} denied and {activity.failed:,} failed in the period."
    return Grade.SOUND, "Nobody was refused, and nothing failed."


def census(evidence: Evidence) -> tuple[Grade, str]:
    """Whether it is known what stands under which key."""
    stale = [place for place in evidence.places if not place.fresh]
    if not evidence.places:
        return Grade.ATTENTION, "Nobody has counted what stands under which key."
    if stale:
        return (
            Grade.ATTENTION,
            f"{len(stale):,} of {count(len(evidence.places), 'place')} counted too long ago, or not wholly.",
        )
    return Grade.SOUND, f"{count(len(evidence.places), 'place')} counted lately, each of them wholly."


def backups(evidence: Evidence) -> tuple[Grade, str]:
    """Whether what the room holds now could be restored."""
    backup = evidence.backup
    if backup.id is None or backup.taken is None:
        return Grade.WRONG, "No backup of this room was ever verified."
    if not backup.logged:
        return Grade.WRONG, f"The audit log knows of no verification of backup {backup.id[:8]}."
    if not backup.holds_all_keys:
        return (
            Grade.WRONG,
            f"The last verified backup, of {backup.taken:%Y-%m-%d}, is older than the newest change of keys.",
        )
    if not backup.opens_by_all_ways:
        return (
            Grade.ATTENTION,
            f"What opens the room has changed since the last verified backup, of {backup.taken:%Y-%m-%d}.",
        )
    age = (evidence.made - backup.taken).days
    return Grade.SOUND, f"The newest keys are in a verified backup, {count(age, 'day')} old."


def algorithms(evidence: Evidence) -> tuple[Grade, str]:
    """Whether anything is written, or still stands, in a suite past its last year."""
    written = [each for each in evidence.suites if each.past and each.classes]
    standing = [each for each in evidence.suites if each.past and each.messages]
    if written:
        return (
            Grade.WRONG,
            f"{count(len(written), 'suite')} past the last year of use, written by {listed(written[0].classes)}.",
        )
    if standing:
        messages = sum(each.messages for each in standing)
        return Grade.ATTENTION, f"{count(messages, 'message')} found in suites past their last year of use."
    if not evidence.data:
        return Grade.SOUND, "Every class writes a current suite. No data was looked at."
    return Grade.SOUND, "Every class writes a current suite, and so was all data that was looked at."


SOON, LATELY = timedelta(days=30), timedelta(days=7)
