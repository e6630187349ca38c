"""The report as one HTML file: no script, nothing from elsewhere, made for the screen and for paper.

Jinja2 escapes whatever stands in it; should that ever fail, the page forbids scripts and loads to itself.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from strongroom.model import KeyState
from strongroom.report import words
from strongroom.report.charts import over_time
from strongroom.report.document import ranked, ranked_use
from strongroom.report.verdicts import SOON

if TYPE_CHECKING:
    from collections.abc import Iterator

    from strongroom.model import DataClass
    from strongroom.report.evidence import Evidence


def render(evidence: Evidence) -> str:
    """The page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {name: getattr(words, name) for name in FILTERS}
    activity = evidence.activity
    return environment.get_template("report.html").render(
        it=evidence,
        activity=activity,
        states=tuple(KeyState),
        inventory=list(inventory(evidence)),
        reserved=reserved(evidence),
        due=[task for task in evidence.due if task.when <= evidence.made + SOON],
        use=ranked_use(activity.use),
        reasons=ranked(activity.reasons),
        refusals=ranked(activity.refusals),
        changes=list(reversed(activity.changes)),
        released=over_time("Data keys released, by class", activity.released),
        refused=over_time("Refusals and failures", activity.refused, REFUSED),
        shown=SHOWN,
        soon=SOON.days,
    )


def inventory(evidence: Evidence) -> Iterator[tuple[DataClass, int, Counter[KeyState]]]:
    """Each class, how many keys it has, and how many versions in each state."""
    for data_class in evidence.classes:
        keys = [key for key in evidence.keys if key.data_class == data_class.name]
        yield data_class, len(keys), Counter(version.state for key in keys for version in key.versions)


def reserved(evidence: Evidence) -> Counter[str]:
    """How many data keys were reserved under each key, all versions together."""
    sums: Counter[str] = Counter()
    for (key_id, _), amount in evidence.wraps.items():
        sums[key_id] += amount
    return sums


FILTERS = ("count", "number", "size", "day", "minute", "period")
REFUSED = {"denied": "#b5485d", "failed": "#c47f2c"}
# rows of a table on the page: the JSON has all of them
SHOWN = 40
