"""Bulk labelling: folders of pictures to data sets, resumed wherever it was stopped.

``plan.json`` is written first: what is to be done. Results go to ``parts/*.jsonl`` as they come,
one line a picture; a torn line is nobody's. The files that are asked for are made from the parts
in the plan's order, so they are the same however often the work was killed and whoever did it.
"""

from ovdet.labelling.labeller import Loader
from ovdet.labelling.parts import Parts
from ovdet.labelling.plan import Plan, Question, Task, begin, locked
from ovdet.labelling.running import Report, export, label

__all__ = [
    "Loader",
    "Parts",
    "Plan",
    "Question",
    "Report",
    "Task",
    "begin",
    "export",
    "label",
    "locked",
]
