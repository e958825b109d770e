"""What keeps a detector from a higher average precision, in the manner of TIDE.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
https://arxiv.org/abs/2008.08115, Sec. 2: every false detection gets one cause, every object that
nothing near it explains is missed, and each cause is worth the AP that its removal alone gives.

Two choices where the published habits differ: a class counts if it has an object, as in COCO's
evaluation; and the threshold itself belongs to the detections that are right.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ovdet.evaluation.assignment import (
    Assignment,
    Bools,
    Floats,
    Ints,
    Overlaps,
    assign,
    find_overlaps,
)
from ovdet.evaluation.precision import mean_known, precision_curves
from ovdet.evaluation.results import Results
from ovdet.evaluation.truth import Coco
from ovdet.structures import InputError

CAUSES = ("classification", "localisation", "both", "duplicate", "background", "missed")
CLASSIFICATION, LOCALISATION, BOTH, DUPLICATE, BACKGROUND = range(5)
RIGHT, LEFT_OUT = -1, -2


@dataclass(frozen=True)
class Causes:
    """Why each detection is wrong, and which objects nothing explains.

    Attributes:
        cause: [D], index into ``CAUSES``; -1 is right, -2 counts neither way.
        target: [D], the object that a wrong class or a wrong place was meant for, or -1.
        mends: [D], whether the detection would be that object if its cause were removed: no
            other detection is, and none with a higher score would be.
        missed: [G], whether no detection is the object, nor was meant for it.
    """

    cause: Ints
    target: Ints
    mends: Bools
    missed: Bools


def detection_errors(
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    *,
    threshold: float = 0.5,
    background: float = 0.1,
) -> dict[str, float]:
    """Split what is lacking to a perfect AP by its cause.

    Args:
        truth: A COCO object.
        results: COCO results.
        kind: ``bbox``, ``segm`` or ``boundary``.
        threshold: A detection is an object of its class from this overlap on.
        background: A detection that overlaps nothing more than this found background.

    Returns:
        ``AP`` at the threshold, in [0, 1]; for each cause ``count/<cause>``, the detections (for
        missed: the objects) it has, and ``gain/<cause>``, the AP that its removal would add.
        ``gain/false positives`` and ``gain/false negatives`` remove all of a kind.

    Raises:
        InputError: If the thresholds are not 0 < background < threshold <= 1, or the input is not
            usable (see :func:`~ovdet.evaluation.assignment.find_overlaps`).
    """
    if not 0 < background < threshold <= 1:
        raise InputError(
            f"must be 0 < background < threshold <= 1, got {background} and {threshold}"
        )
    overlaps = find_overlaps(truth, results, kind, lowest=background)
    return split_errors(overlaps, threshold=threshold, background=background)


def split_errors(
    overlaps: Overlaps, *, threshold: float = 0.5, background: float = 0.1
) -> dict[str, float]:
    """Return what :func:`detection_errors` returns, for overlaps from ``background`` on."""
    assignment = assign(overlaps, threshold)
    causes = find_causes(overlaps, assignment, threshold=threshold, background=background)
    positives = overlaps.positives
    counted = causes.cause != LEFT_OUT
    right = causes.cause == RIGHT
    before = mean_precision(overlaps, right, counted, positives)
    report = {"AP": before}
    for number, name in enumerate(CAUSES[:-1]):
        mended = (causes.cause == number) & causes.mends
        label = overlaps.label.copy()
        label[mended] = overlaps.object_label[causes.target[mended]]
        kept = counted & ((causes.cause != number) | mended)
        after = mean_precision(overlaps, right | mended, kept, positives, label)
        report[f"count/{name}"] = float((causes.cause == number).sum())
        report[f"gain/{name}"] = max(after - before, 0.0)
    classes = len(positives)
    missed = np.bincount(overlaps.object_label[causes.missed], minlength=classes)
    unmatched = np.bincount(overlaps.object_label[assignment.taken < 0], minlength=classes)
    report["count/missed"] = float(causes.missed.sum())
    for name, kept, left in (
        ("missed", counted, positives - missed),
        ("false positives", right, positives),
        ("false negatives", counted, positives - unmatched),
    ):
        after = mean_precision(overlaps, right, kept, left)
        report[f"gain/{name}"] = max(after - before, 0.0)
    return report


def find_causes(
    overlaps: Overlaps, assignment: Assignment, *, threshold: float = 0.5, background: float = 0.1
) -> Causes:
    """Find the cause of each error; of several that hold, the first in the order below."""
    same = overlaps.same
    own, own_object = _highest(overlaps, same)
    other, other_object = _highest(overlaps, ~same)
    conditions = [
        assignment.match >= 0,
        ~assignment.counted,
        (own >= background) & (own < threshold),
        other >= threshold,
        own >= threshold,
        other > background,
    ]
    choices = [RIGHT, LEFT_OUT, LOCALISATION, CLASSIFICATION, DUPLICATE, BOTH]
    cause = np.select(conditions, choices, BACKGROUND).astype(np.int64)
    meant = [own_object, other_object]
    target = np.select([cause == LOCALISATION, cause == CLASSIFICATION], meant, -1)
    # Detections are in order of score, so the first that was meant for a free object mends it.
    hopeful = np.flatnonzero(target >= 0)
    hopeful = hopeful[assignment.taken[target[hopeful]] < 0]
    aimed, first = np.unique(target[hopeful], return_index=True)
    mends = np.zeros(len(cause), np.bool_)
    mends[hopeful[first]] = True
    missed = assignment.taken < 0
    missed[aimed] = False
    return Causes(cause, target, mends, missed)


def mean_precision(
    overlaps: Overlaps, right: Bools, kept: Bools, positives: Ints, label: Ints | None = None
) -> float:
    """Return the mean average precision of the detections that are kept, NaN without objects."""
    label = overlaps.label if label is None else label
    curves = precision_curves(label[kept], overlaps.score[kept], right[kept], positives)
    return mean_known(curves.mean(axis=1))


def _highest(overlaps: Overlaps, chosen: Bools) -> tuple[Floats, Ints]:
    """Return each detection's highest overlap among the chosen pairs, and with which object."""
    best = np.zeros(len(overlaps.score))
    thing = np.full(len(overlaps.score), -1, np.int64)
    pair, iou = overlaps.pair[chosen], overlaps.iou[chosen]
    order = np.lexsort((-pair[:, 1], iou))  # the highest comes last and stays; the first of equals
    best[pair[order, 0]] = iou[order]
    thing[pair[order, 0]] = pair[order, 1]
    return best, thing
