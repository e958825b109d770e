"""What was found, as lines of text for a terminal."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WIDEST = 48  # characters of a name; with the figures a line stays within 80 columns


def table(labels: Sequence[str], scores: NDArray[np.float32], boxes: NDArray[np.float32]) -> str:
    """Return N objects as a table: class, score, box.

    Args:
        labels: N class names.
        scores: [N].
        boxes: [N, 4], xyxy, px.
    """
    if not labels:
        return "nothing found"
    rows = [
        f"{score:5.2f} {' '.join(f'{side:6.0f}' for side in box)}"
        for score, box in zip(scores, boxes, strict=True)
    ]
    return named_rows(labels, "score     x1     y1     x2     y2", rows)


def named_rows(labels: Sequence[str], head: str, rows: Sequence[str]) -> str:
    """Return a table whose first column holds N class names.

    Args:
        labels: N class names.
        head: What stands above the other columns.
        rows: The other columns of the N lines.
    """
    names = [_cut(printable(label)) for label in labels]
    room = max(_columns(name) for name in ["class", *names])
    lines = [f"{'class':<{room}}  {head}"]
    for name, row in zip(names, rows, strict=True):
        lines.append(f"{name}{' ' * (room - _columns(name))}  {row}")
    return "\n".join(lines)


def percent(share: float) -> str:
    """Return a share of 1 as a percentage: ``12 %``, and ``<1 %`` for what would round to 0."""
    text = f"{share:.0%}".replace("%", " %")
    return "<1 %" if share > 0 and text == "0 %" else text


def printable(text: str) -> str:
    """Return ``text`` with characters that would disturb a terminal written as escapes."""
    return "".join(c if c.isprintable() else _escape(c) for c in text)


def _cut(name: str) -> str:
    return name if len(name) <= _WIDEST else f"{name[: _WIDEST - 3]}..."


def _escape(character: str) -> str:
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _columns(text: str) -> int:
    """Return how many terminal columns a text takes: East Asian wide characters take two."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    marks = sum(unicodedata.combining(c) > 0 for c in text)
    return len(text) + wide - marks
