"""Lists of records as arrays: a million values are checked by the kinds that occur, not one by one.

What is raised here says that something is wrong, not what: who asks finds and names the record.
"""

from collections.abc import Sequence
from itertools import chain
from operator import itemgetter
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MISSHAPEN = (AttributeError, IndexError, KeyError, OverflowError, TypeError, ValueError)


def is_number(kind: type, *, whole: bool) -> bool:
    """Return whether values of a type are numbers; a truth value is none."""
    numbers = (int, np.integer) if whole else (int, float, np.integer, np.floating)
    return issubclass(kind, numbers) and kind is not bool


def read_column(entries: Sequence[dict[str, Any]], key: str, *, whole: bool) -> NDArray[Any]:
    """Return the value of each of N records under a key, [N], int64 where ``whole``, else float64.

    Raises:
        KeyError: And others of ``MISSHAPEN``, if one has none or it is no such number.
    """
    values = list(map(itemgetter(key), entries))
    if not all(is_number(kind, whole=whole) for kind in set(map(type, values))):
        raise TypeError(key)
    return np.fromiter(values, np.int64 if whole else np.float64, len(values))


def read_boxes(entries: Sequence[dict[str, Any]]) -> Floats:
    """Return the ``bbox`` of each of N records, [N, 4].

    Raises:
        KeyError: And others of ``MISSHAPEN``, if one has none or it is not four numbers.
    """
    boxes = list(map(itemgetter("bbox"), entries))
    if set(map(len, boxes)) - {4}:
        raise ValueError("bbox")
    sides = list(chain.from_iterable(boxes))
    if not all(is_number(kind, whole=False) for kind in set(map(type, sides))):
        raise TypeError("bbox")
    return np.fromiter(sides, np.float64, len(sides)).reshape(-1, 4)
