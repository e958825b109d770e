"""COCO's packed masks, many at a time: do their runs fill the image, and how much is set?

A packed count is a string of base 32 digits, lowest first, from the character ``0`` on; 32 says
that another digit follows, 16 in the last one that the number is negative. From the fourth run on
each number is the difference to the run before the last.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Rle = dict[str, Any]

_FIRST, _DIGITS = 48, 64  # the character 0, and how many follow
_LONGEST = 7  # digits of a run: 32 bits
_CHUNK = 2000  # masks whose digits are in memory at once


def fill(counts: Sequence[str | bytes]) -> tuple[Ints, Ints]:
    """Return the pixels that each packed mask covers, and those that it sets.

    Args:
        counts: [N] packed run lengths.

    Returns:
        Two arrays [N]; -1 in both for a text that is not packed run lengths.
    """
    texts = [c.encode() if isinstance(c, str) else c for c in counts]
    owner = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    digits = np.frombuffer(b"".join(texts), np.uint8).astype(np.int64) - _FIRST
    broken = np.zeros(len(texts), np.bool_)
    broken[owner[(digits < 0) | (digits >= _DIGITS)]] = True
    ends = (digits & 32) == 0
    last = np.flatnonzero(np.append(owner[1:] != owner[:-1], True)[: len(owner)])
    broken[owner[last[~ends[last]]]] = True  # in the middle of a number
    ends[last] = True
    values, runs_of, too_long = _numbers(digits, owner, ends)
    broken[too_long] = True
    runs, odd = _sum_differences(values, runs_of, len(texts))
    broken[runs_of[runs < 0]] = True
    covered = _sum_by(runs, runs_of, len(texts))
    inside = _sum_by(np.where(odd, runs, 0), runs_of, len(texts))
    return np.where(broken, -1, covered), np.where(broken, -1, inside)


def _numbers(digits: Ints, owner: Ints, ends: NDArray[np.bool_]) -> tuple[Ints, Ints, Ints]:
    """Return the numbers, whose they are, and the owners of numbers with too many digits."""
    if not len(digits):
        none = np.zeros(0, np.int64)
        return none, none, none
    stop = np.flatnonzero(ends)
    start = np.append(0, stop[:-1] + 1)
    length = stop - start + 1
    place = np.arange(len(digits)) - np.repeat(start, length)
    values = np.add.reduceat((digits & 31) << (5 * np.minimum(place, _LONGEST)), start)
    negative = (digits[stop] & 16) != 0
    values -= np.where(negative, np.int64(1) << (5 * np.minimum(length, _LONGEST)), 0)
    return values, owner[stop], owner[stop[length > _LONGEST]]


def _sum_differences(values: Ints, owner: Ints, count: int) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the runs, and which of them are set, from their differences."""
    first = np.searchsorted(owner, np.arange(count))
    place = np.arange(len(values)) - np.repeat(first, np.bincount(owner, minlength=count))
    odd = place % 2 == 1
    runs = values.copy()
    for chosen in (odd, ~odd & (place > 0)):  # each takes up from its own row, two runs before
        rows = np.flatnonzero(chosen)
        total = np.cumsum(values[rows])
        heads = np.flatnonzero(np.append(True, owner[rows][1:] != owner[rows][:-1])[: len(rows)])
        before = total[heads] - values[rows[heads]]
        sizes = np.diff(np.append(heads, len(rows)))
        runs[rows] = total - np.repeat(before, sizes)
    return runs, odd


def _sum_by(values: Ints, owner: Ints, count: int) -> Ints:
    total = np.append(0, np.cumsum(values))
    bounds = np.searchsorted(owner, np.arange(count + 1))
    sums: Ints = total[bounds[1:]] - total[bounds[:-1]]
    return sums


def is_rle(mask: Any) -> bool:
    """Return whether a mask has the form of run lengths, whatever they say."""
    form = isinstance(mask, dict) and "counts" in mask
    return form and isinstance(mask.get("size"), list | tuple) and len(mask["size"]) == 2


def is_filled(masks: Sequence[Rle]) -> NDArray[np.bool_]:
    """Return whether the runs of each mask cover its image exactly, [N].

    Args:
        masks: N masks that have the form of run lengths, ``size`` being whole numbers.
    """
    good = np.zeros(len(masks), np.bool_)
    for start in range(0, len(masks), _CHUNK):
        part = masks[start : start + _CHUNK]
        covered = np.array([_sum(mask["counts"]) for mask in part], np.int64)
        packed = np.flatnonzero([isinstance(mask["counts"], str | bytes) for mask in part])
        covered[packed] = fill([part[i]["counts"] for i in packed.tolist()])[0]
        good[start : start + _CHUNK] = covered == [m["size"][0] * m["size"][1] for m in part]
    return good


def _sum(counts: Any) -> int:
    plain = isinstance(counts, list) and all(type(run) is int and run >= 0 for run in counts)
    return sum(counts) if plain else -1


def are_polygons(polygons: Any, side: int) -> bool:
    """Return whether these are polygons of three points or more, none far from the image.

    Args:
        polygons: Lists of x, y, x, y, ... in px.
        side: The longer side of the image, px. Whoever draws a polygon walks its edges, so that a
            point far away costs all the memory there is.
    """
    return bool(polygons) and all(
        isinstance(polygon, list)
        and len(polygon) >= 6
        and len(polygon) % 2 == 0
        and all(type(v) in (int, float) and -side <= v <= 2 * side for v in polygon)
        for polygon in polygons
    )


def to_rle(segmentation: Any, height: int, width: int) -> Rle:
    """Return a COCO ``segmentation``, polygons or run lengths, as packed run lengths."""
    from pycocotools import mask as coco_mask

    if isinstance(segmentation, list):
        merged: Rle = coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
        return merged
    if isinstance(segmentation["counts"], list):
        packed: Rle = coco_mask.frPyObjects(segmentation, height, width)
        return packed
    return dict(segmentation)
