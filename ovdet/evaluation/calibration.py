"""Do the scores mean what they say, and from which score on should a detection be believed?

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
https://arxiv.org/abs/1706.04599, Sec. 2: the expected calibration error.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ovdet.evaluation.assignment import Bools, Floats, Ints, assign, find_overlaps
from ovdet.evaluation.results import Results
from ovdet.evaluation.truth import Coco
from ovdet.structures import InputError


@dataclass(frozen=True)
class Calibration:
    """Scores against what became of them, in M bins of equal width.

    Attributes:
        edges: [M + 1], from 0 to 1.
        count: [M], detections of each bin.
        score: [M], their mean score, NaN in an empty bin.
        precision: [M], which part of them is an object, NaN in an empty bin.
        error: Mean distance of score and precision over the detections, in [0, 1]; NaN without any.
        class_error: [C], the same for the detections of each class.
    """

    edges: Floats
    count: Ints
    score: Floats
    precision: Floats
    error: float
    class_error: Floats


@dataclass(frozen=True)
class Thresholds:
    """For each of C classes the lowest score to believe, at the best F1.

    Attributes:
        score: [C]; a detection counts from this score on. NaN for a class that is never found.
        f1: [C], in [0, 1]; 0 for a class that is never found, NaN for one without objects.
        precision: [C], at that score; NaN for a class that is never found.
        recall: [C], at that score; 0 for a class that is never found, NaN without objects.
    """

    score: Floats
    f1: Floats
    precision: Floats
    recall: Floats


def detection_calibration(
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    *,
    threshold: float = 0.5,
    bins: int = 10,
) -> tuple[Calibration, Thresholds]:
    """Compare scores with what became of the detections, and suggest a score for each class.

    Args:
        truth: A COCO object; classes are in ascending order of their ids.
        results: COCO results, scores in [0, 1].
        kind: ``bbox``, ``segm`` or ``boundary``.
        threshold: A detection is an object of its class from this overlap on.
        bins: M, at least 1.

    Raises:
        InputError: If ``bins`` is below 1, a score is outside [0, 1] or the input is not usable
            (see :func:`~ovdet.evaluation.assignment.find_overlaps`).
    """
    overlaps = find_overlaps(truth, results, kind, lowest=threshold)
    found = assign(overlaps, threshold)
    kept, right = found.counted, found.match >= 0
    seen = (overlaps.label[kept], overlaps.score[kept], right[kept])
    positives = overlaps.positives
    return calibrate(*seen, len(positives), bins=bins), suggest_thresholds(*seen, positives)


def calibrate(
    label: Ints, score: Floats, right: Bools, classes: int, *, bins: int = 10
) -> Calibration:
    """Bin the detections by score and compare.

    Args:
        label: [D], in 0 to C - 1.
        score: [D], in [0, 1].
        right: [D], whether the detection is an object.
        classes: C.
        bins: M; a bin holds its lower edge, the last one both.

    Raises:
        InputError: If ``bins`` is below 1 or a score is outside [0, 1].
    """
    if bins < 1:
        raise InputError(f"bins must be at least 1, got {bins}")
    outside = score[(score < 0) | (score > 1)]
    if len(outside):
        raise InputError(f"scores must be in [0, 1] to be calibrated, got {outside[0]}")
    place = np.minimum((score * bins).astype(np.int64), bins - 1)
    cell = label * bins + place
    shape = (classes, bins)
    count: Ints = np.bincount(cell, minlength=classes * bins).reshape(shape)
    scores, hits = (_sums(cell, weights, shape) for weights in (score, right.astype(np.float64)))
    total = count.sum(axis=0)
    return Calibration(
        edges=np.linspace(0, 1, bins + 1),
        count=total,
        score=_ratio(scores.sum(axis=0), total),
        precision=_ratio(hits.sum(axis=0), total),
        error=float(_gap(scores.sum(axis=0), hits.sum(axis=0), total)),
        class_error=_gap(scores, hits, count),
    )


def suggest_thresholds(label: Ints, score: Floats, right: Bools, positives: Ints) -> Thresholds:
    """Return for each class the score from which on its detections have the best F1.

    Args:
        label: [D], in 0 to C - 1.
        score: [D].
        right: [D], whether the detection is an object.
        positives: [C], the objects of each class.
    """
    order = np.lexsort((-score, label))
    bounds = np.searchsorted(label[order], np.arange(len(positives) + 1))
    table = np.full((4, len(positives)), np.nan)
    table[1, positives > 0] = table[3, positives > 0] = 0
    for number in np.flatnonzero((np.diff(bounds) > 0) & (positives > 0)).tolist():
        own = order[bounds[number] : bounds[number + 1]]
        hits, kept = np.cumsum(right[own]), np.arange(1, len(own) + 1)
        f1 = 2 * hits / (kept + positives[number])
        f1[:-1][score[own][1:] == score[own][:-1]] = -1  # equal scores stand or fall together
        best = int(f1.argmax())  # of equals the highest score
        if hits[best]:
            precision, recall = hits[best] / kept[best], hits[best] / positives[number]
            table[:, number] = score[own[best]], f1[best], precision, recall
    return Thresholds(*table)


def _sums(cell: Ints, weights: Floats, shape: tuple[int, int]) -> Floats:
    sums: Any = np.bincount(cell, weights, shape[0] * shape[1])
    return np.asarray(sums, np.float64).reshape(shape)


def _ratio(part: Floats, whole: Ints) -> Floats:
    ratio: Floats = np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0)
    return ratio


def _gap(scores: Floats, hits: Floats, count: Ints) -> Floats:
    """Return the mean distance of score and precision over the last axis, NaN without any."""
    return _ratio(np.abs(scores - hits).sum(axis=-1), np.asarray(count.sum(axis=-1)))
