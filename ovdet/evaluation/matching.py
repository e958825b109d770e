"""Which detection is which object, by the rules of COCO and LVIS, in numpy.

This serves what hotcoco and pycocotools cannot do: boundaries, and the objects that an LVIS file
says to ignore. It is slower than hotcoco and needs no more memory than one image's masks.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ovdet.evaluation.boundary import boundary_overlaps
from ovdet.evaluation.precision import precision_curves
from ovdet.evaluation.results import Results
from ovdet.evaluation.run_lengths import to_rle
from ovdet.evaluation.tables import IOUS, SIZES, Rules, Tables, by_image
from ovdet.evaluation.truth import Truth
from ovdet.structures import InputError

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Shapes = Any  # boxes [D, 4], x, y, width, height, or a list of run-length masks

_LEAST = np.minimum(IOUS, 1 - 1e-10)  # as pycocotools has it


@dataclass(frozen=True)
class _Judged:
    """Detections of one image and class, best first; 10 thresholds and 4 sizes.

    Attributes:
        label: [D], index of the class.
        rank: [D], place among its image's and class's.
        score: [D].
        right: [10, 4, D], whether it is an object.
        idle: [10, 4, D], whether it counts neither way.
    """

    label: Ints
    rank: Ints
    score: Floats
    right: Bools
    idle: Bools


def measure_plainly(truth: Truth, results: Results, kind: str, rules: Rules) -> Tables:
    """Compare detections with the truth; arguments as :func:`~ovdet.evaluation.tables.measure`.

    Raises:
        InputError: If ``rules`` overlook classes.
    """
    if not rules.by_class:
        raise InputError("the numpy backend compares classes: by_class must be on")
    found, starts = by_image(truth, results)
    positives = np.zeros((len(SIZES), len(truth.category_ids)), np.int64)
    judged: list[_Judged] = []
    for row, (image, objects) in enumerate(zip(truth.images, truth.objects, strict=True)):
        for entry in objects:
            positives[:, entry["category_id"] - 1] += ~_apart(entry)
        own = np.arange(starts[row], starts[row + 1])
        for label in _classes(image, objects, found.category_ids[own], rules):
            chosen = own[found.category_ids[own] == label]
            chosen = chosen[np.argsort(-found.scores[chosen], kind="stable")][: rules.tops[-1]]
            there = [entry for entry in objects if entry["category_id"] == label]
            judged.append(_judge(image, there, found.take(chosen), kind, rules))
    return _accumulate(judged, positives, rules)


def _classes(
    image: dict[str, Any], objects: list[dict[str, Any]], found: Ints, rules: Rules
) -> list[int]:
    """Return the classes of which detections of an image count."""
    labels = set(found.tolist())
    if rules.federated:
        labels &= {entry["category_id"] for entry in objects} | set(image["neg_category_ids"])
    return sorted(labels)


def _apart(entry: dict[str, Any]) -> Bools:
    """Return for which sizes an object is to be found by nobody, [4]."""
    low, high = np.array(SIZES).T
    outside: Bools = (entry["area"] < low) | (entry["area"] > high)
    return outside | bool(entry["iscrowd"]) | bool(entry.get("ignore"))


def _judge(
    image: dict[str, Any], objects: list[dict[str, Any]], found: Results, kind: str, rules: Rules
) -> _Judged:
    shapes = found.boxes if kind == "bbox" else list(found.masks or [])
    area = _areas(shapes, kind)
    crowd = np.array([entry["iscrowd"] for entry in objects], np.bool_)
    apart = np.array([_apart(entry) for entry in objects], np.bool_).reshape(-1, len(SIZES)).T
    overlap = np.zeros((len(found), 0))
    if objects:
        overlap = _overlaps(image, objects, shapes, crowd, kind)
    right, idle = match(overlap, crowd, apart)
    low, high = np.array(SIZES).T[:, :, None]  # [4, 1]
    excused = (area < low) | (area > high)  # [4, D]
    label = int(found.category_ids[0])
    if rules.federated and label in image["not_exhaustive_category_ids"]:
        excused[:] = True
    return _Judged(
        label=found.category_ids - 1,
        rank=np.arange(len(found)),
        score=found.scores,
        right=right & ~idle,
        idle=idle | (~right & excused),
    )


def match(overlap: Floats, crowd: Bools, apart: Bools) -> tuple[Bools, Bools]:
    """Give each detection, best first, the object it overlaps most that is still free.

    Objects that nobody has to find are taken only where no other fits. A crowd is never used up. Of
    equal overlaps the later object is taken.

    Args:
        overlap: [D, G], in [0, 1].
        crowd: [G].
        apart: [A, G], for each size whether the object is one that nobody has to find.

    Returns:
        Two arrays [10, A, D]: by IoU threshold and size, whether the detection is an object, and
        whether that one is apart.
    """
    lanes = (len(_LEAST), len(apart), len(overlap))
    matched, idle = np.zeros(lanes, np.bool_), np.zeros(lanes, np.bool_)
    if not overlap.size:
        return matched, idle
    order = np.arange(len(crowd))[::-1]  # argmax takes the first of equals
    free = np.ones((len(_LEAST), len(apart), len(crowd)), np.bool_)
    bonus = np.where(apart, 0.0, 2.0)[None]  # [1, A, G], more than any overlap
    thresholds = _LEAST[:, None, None]
    for row, values in enumerate(overlap):
        if not (values >= _LEAST[0]).any():
            continue
        fits = free & (values >= thresholds)
        worth = np.where(fits, values + bonus, -1.0)[:, :, order]
        chosen = order[worth.argmax(axis=2)]  # [10, A]
        hit = np.take_along_axis(fits, chosen[:, :, None], axis=2)[:, :, 0]
        matched[:, :, row] = hit
        idle[:, :, row] = hit & np.take_along_axis(apart, chosen.T, axis=1).T
        taken = np.take_along_axis(free, chosen[:, :, None], axis=2)[:, :, 0] & ~(
            hit & ~crowd[chosen]
        )
        np.put_along_axis(free, chosen[:, :, None], taken[:, :, None], axis=2)
    return matched, idle


def _areas(shapes: Shapes, kind: str) -> Floats:
    if kind == "bbox":
        sides: Floats = shapes[:, 2] * shapes[:, 3]
        return sides
    from pycocotools import mask as coco_mask

    packed = [to_rle(mask, *mask["size"]) for mask in shapes]
    return np.asarray(coco_mask.area(packed), np.float64).reshape(-1)


def _overlaps(
    image: dict[str, Any], objects: list[dict[str, Any]], shapes: Shapes, crowd: Bools, kind: str
) -> Floats:
    """Return the overlap of detections and objects, [D, G]; with a crowd, the detection's part."""
    from pycocotools import mask as coco_mask

    if kind == "bbox":
        boxes = np.array([entry["bbox"] for entry in objects], np.float64)
        return np.asarray(coco_mask.iou(shapes, boxes, crowd.astype(np.uint8)))
    size = (image["height"], image["width"])
    first = [to_rle(mask, *mask["size"]) for mask in shapes]
    second = [to_rle(entry["segmentation"], *size) for entry in objects]
    overlap = np.asarray(coco_mask.iou(first, second, crowd.astype(np.uint8)))
    if kind == "boundary":
        return np.where(crowd, overlap, np.minimum(overlap, boundary_overlaps(first, second)))
    return overlap


def _accumulate(judged: list[_Judged], positives: Ints, rules: Rules) -> Tables:
    """Return the tables of all images; ``judged`` stands in the order of the images."""
    none = np.zeros(0, np.int64)
    label = np.concatenate([none, *(part.label for part in judged)])
    rank = np.concatenate([none, *(part.rank for part in judged)])
    score = np.concatenate([np.zeros(0), *(part.score for part in judged)])
    shape = (len(IOUS), len(SIZES), 0)
    right = np.concatenate([np.zeros(shape, np.bool_), *(part.right for part in judged)], axis=2)
    idle = np.concatenate([np.zeros(shape, np.bool_), *(part.idle for part in judged)], axis=2)
    classes, tops = positives.shape[1], len(rules.tops)
    precision = np.empty((len(IOUS), 101, classes, len(SIZES), tops))
    recall = np.empty((len(IOUS), classes, len(SIZES), tops))
    for t, a, m in np.ndindex(len(IOUS), len(SIZES), tops):
        kept = ~idle[t, a] & (rank < rules.tops[m])
        hits = right[t, a, kept]
        curves = precision_curves(label[kept], score[kept], hits, positives[a])
        precision[t, :, :, a, m] = curves.T
        found = np.bincount(label[kept][hits], minlength=classes)
        share = np.full(classes, np.nan)
        recall[t, :, a, m] = np.divide(found, positives[a], out=share, where=positives[a] > 0)
    return Tables(precision, recall)
