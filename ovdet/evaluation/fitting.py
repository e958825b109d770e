"""From judged detections to scores that can be used: a temperature, and a threshold a class.

Guo et al., "On Calibration of Modern Neural Networks", ICML 2017,
https://arxiv.org/abs/1706.04599, Sec. 4.2: temperature scaling. Shapes: D detections, C classes.
"""

import numpy as np

from ovdet.evaluation.assignment import Bools, Floats, Ints
from ovdet.evaluation.calibration import suggest_thresholds

STEADY = 5.0
"""Objects of a class from which on its own threshold counts more than that of all classes."""

_TEMPERATURES = (0.05, 20.0)
_SURE = 1e-6  # scores nearer to 0 or 1 are taken to be that near
_HALVINGS = 60


def fit_temperature(score: Floats, right: Bools) -> float:
    """Return the temperature with the least negative log-likelihood, within 0.05 to 20.

    The logits of the scores are divided by it. In its inverse the likelihood has one extreme, where
    the derivative is 0; that is found by halving.

    Args:
        score: [D], in [0, 1].
        right: [D], whether the detection is an object of its class.
    """
    if not len(score):
        return 1.0
    inside = np.clip(score, _SURE, 1 - _SURE)
    logit = np.log(inside) - np.log1p(-inside)
    low, high = 1 / _TEMPERATURES[1], 1 / _TEMPERATURES[0]
    for _ in range(_HALVINGS):
        middle = (low * high) ** 0.5
        slope = ((1 / (1 + np.exp(-middle * logit)) - right) * logit).sum()
        low, high = (middle, high) if slope < 0 else (low, middle)
    return float(1 / (low * high) ** 0.5)


def fit_thresholds(
    label: Ints, score: Floats, right: Bools, positives: Ints, floor: float = 0.0
) -> Floats:
    """Return for each class the score from which on to believe it, [C].

    The score of the best F1, halfway to the next lower one, drawn to the threshold of all classes
    together where there are few objects: with n of them the class's own weighs n / (n + 5). A class
    that is never found right has that of all.

    Args:
        label: [D], in 0 to C - 1.
        score: [D].
        right: [D], whether the detection is an object of its class.
        positives: [C], objects of each class.
        floor: The score that all detections are above.

    Returns:
        [C]; NaN for all where nothing is right.
    """
    every = np.zeros_like(label)
    shared = _halfway(every, score, right, np.array([positives.sum()]), floor)[0]
    own = _halfway(label, score, right, positives, floor)
    weight = positives / (positives + STEADY)
    return np.where(np.isnan(own), shared, weight * own + (1 - weight) * shared)


def f1_at(label: Ints, score: Floats, right: Bools, positives: Ints, least: Floats) -> float:
    """Return the F1 of all classes together.

    Args:
        label: [D].
        score: [D].
        right: [D], whether the detection is an object of its class.
        positives: [C], objects of each class.
        least: [C], the score from which on a class is believed.
    """
    kept = score >= least[label]
    total = kept.sum() + positives.sum()
    return float(2 * (right & kept).sum() / total) if total else 0.0


def _halfway(label: Ints, score: Floats, right: Bools, positives: Ints, floor: float) -> Floats:
    best = suggest_thresholds(label, score, right, positives).score.copy()
    for number in np.flatnonzero(~np.isnan(best)).tolist():
        below = score[(label == number) & (score < best[number])]
        best[number] = (best[number] + below.max(initial=floor)) / 2
    return best
