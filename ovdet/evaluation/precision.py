"""Precision against recall, as COCO draws it: 101 recalls, each with the best precision beyond."""

import numpy as np

from ovdet.evaluation.assignment import Bools, Floats, Ints

RECALLS = np.linspace(0, 1, 101)


def precision_curves(label: Ints, score: Floats, right: Bools, positives: Ints) -> Floats:
    """Return the precision of each class at each of ``RECALLS``; its mean is the AP.

    Args:
        label: [D], the class of each detection.
        score: [D]; of equal scores the earlier detection comes first.
        right: [D], whether the detection is an object.
        positives: [C], the objects of each class.

    Returns:
        [C, 101], in [0, 1]: 0 from the recall on that is not reached, NaN for a class without
        objects.
    """
    order = np.lexsort((-score, label))
    bounds = np.searchsorted(label[order], np.arange(len(positives) + 1))
    curves = np.zeros((len(positives), len(RECALLS)))
    curves[positives == 0] = np.nan
    for number in np.flatnonzero((np.diff(bounds) > 0) & (positives > 0)).tolist():
        hits = np.cumsum(right[order[bounds[number] : bounds[number + 1]]])
        precision = hits / (np.arange(1, len(hits) + 1) + np.spacing(1))  # as pycocotools has it
        envelope = np.maximum.accumulate(precision[::-1])[::-1]
        place = np.searchsorted(hits / positives[number], RECALLS, side="left")
        reached = place < len(hits)
        curves[number, reached] = envelope[place[reached]]
    return curves


def mean_known(values: Floats) -> float:
    """Return the mean of what is not NaN; NaN where nothing is."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")
