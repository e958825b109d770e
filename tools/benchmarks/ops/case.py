"""What a benchmark of one op hands over: itself at one shape, and what else does the same.

A file ``<op>.py`` beside this one has ``cases(device)``, which yields its cases one by one, so that
the tensors of one shape are gone before those of the next are made; it imports this record by
``from case import Case``.
"""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """One op at one shape.

    Attributes:
        op: Its name.
        shape: Of what it is given, in words: "2 images, 1,000 boxes each, 5 levels of 800 x 1333".
        ours: Runs the op once and returns its output.
        others: What does the same otherwise, by name; each runs once and returns its output.
        agree: Compares our output with that of another: None where they agree, else what differs.
        moved: Bytes that must at least be read and written, whoever does it.
    """

    op: str
    shape: str
    ours: Callable[[], object]
    others: dict[str, Callable[[], object]]
    agree: Callable[[object, object], str | None]
    moved: int
