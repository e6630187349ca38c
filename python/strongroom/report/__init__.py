"""Evidence for auditors: what a room holds, what was done with it in a period, and what verifies, on one page or as JSON.

Nothing is written into the room, and no key is released.
"""

from strongroom.report.cbom import bom
from strongroom.report.document import document
from strongroom.report.evidence import Evidence, Grade, Period, Verdict
from strongroom.report.gathering import gather

__all__ = ["Evidence", "Grade", "Period", "Verdict", "bom", "document", "gather"]
