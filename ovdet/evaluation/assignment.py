"""Which detection is which object: the ground that the tables about errors and scores share.

The rules are COCO's: within an image and class the best-scored detection takes the object it
overlaps most, each object is taken once, and what lies in a crowd counts neither way. Where the
images say which classes were looked for (LVIS), detections of the others count neither way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from ovdet.structures import InputError

Coco = dict[str, list[dict[str, Any]]]
Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

KINDS = ("bbox", "segm")
_TOP, _TOP_FEDERATED = 100, 300  # COCO: of an image and class; LVIS: of an image


@dataclass(frozen=True)
class Overlaps:
    """D detections, best first, G objects, and the P pairs of an image that overlap.

    Attributes:
        images: [N], the image ids, ascending.
        categories: [C], the category ids, ascending.
        image: [D], index into ``images``.
        label: [D], index into ``categories``.
        score: [D], descending; of equal scores the earlier image and result come first.
        result: [D], index into the results.
        crowd: [D], the largest part of the detection that lies in one crowd of its class.
        excused: [D], whether the detection counts only where it is an object (LVIS).
        object_image: [G], index into ``images``.
        object_label: [G], index into ``categories``.
        annotation: [G], index into the truth's annotations.
        pair: [P, 2], detection and object, ascending by detection.
        iou: [P], at least the lowest that was asked for.
    """

    images: Ints
    categories: Ints
    image: Ints
    label: Ints
    score: Floats
    result: Ints
    crowd: Floats
    excused: Bools
    object_image: Ints
    object_label: Ints
    annotation: Ints
    pair: Ints
    iou: Floats

    @property
    def same(self) -> Bools:
        """Whether both of a pair are of one class, [P]."""
        same: Bools = self.label[self.pair[:, 0]] == self.object_label[self.pair[:, 1]]
        return same

    @property
    def positives(self) -> Ints:
        """How many objects each class has, [C]."""
        return np.bincount(self.object_label, minlength=len(self.categories))


@dataclass(frozen=True)
class Assignment:
    """What each detection and object became at one threshold.

    Attributes:
        match: [D], the object that the detection is, or -1.
        counted: [D], whether the detection counts: not in a crowd, not excused.
        taken: [G], the detection that the object is, or -1.
    """

    match: Ints
    counted: Bools
    taken: Ints


@dataclass(frozen=True)
class _Entries:
    """Image and class of entries, as indices, and the entries' places in their list."""

    image: Ints
    label: Ints
    place: Ints

    def __getitem__(self, index: NDArray[Any]) -> "_Entries":
        return _Entries(self.image[index], self.label[index], self.place[index])


def find_overlaps(
    truth: Coco, results: list[dict[str, Any]], kind: str = "bbox", *, lowest: float = 0.1
) -> Overlaps:
    """Find which detections overlap which objects, whatever their classes.

    Args:
        truth: A COCO object. Where its images have ``neg_category_ids`` it is judged as LVIS is,
            and the 300 best of an image count instead of the 100 best of an image and class.
        results: COCO results.
        kind: ``bbox`` or ``segm``.
        lowest: Pairs that overlap less are left out; above 0.

    Raises:
        InputError: If ``kind`` is unknown, a result is of an unknown image or category or has a
            score that is not finite, or an entry lacks what ``kind`` needs.
    """
    if kind not in KINDS:
        raise InputError(f"kind must be one of {KINDS}, got {kind}")
    images, categories = _ids(truth["images"], "image"), _ids(truth["categories"], "category")
    known = _entries(truth["annotations"], images, categories, "annotation")
    found = _entries(results, images, categories, "result")
    score = _scores(results)
    federated = any("neg_category_ids" in image for image in truth["images"])
    excused = np.zeros(len(results), np.bool_)
    if federated:
        kept, excused = _federated(truth["images"], known, found, images, categories)
        found = found[kept]
    found = found[np.lexsort((found.place, found.image, -score[found.place]))]
    group = found.image if federated else found.image * len(categories) + found.label
    found = found[_rank_within(group) < (_TOP_FEDERATED if federated else _TOP)]
    crowds = np.array([bool(a.get("iscrowd")) for a in truth["annotations"]], np.bool_)
    shapes = (_shapes(results, kind, truth), _shapes(truth["annotations"], kind, truth))
    pair, iou, crowd = _compare(found, known, shapes, crowds, lowest)
    objects = known[~crowds]
    return Overlaps(
        images=images,
        categories=categories,
        image=found.image,
        label=found.label,
        score=score[found.place],
        result=found.place,
        crowd=crowd,
        excused=excused[found.place],
        object_image=objects.image,
        object_label=objects.label,
        annotation=objects.place,
        pair=pair,
        iou=iou,
    )


def assign(overlaps: Overlaps, threshold: float = 0.5) -> Assignment:
    """Decide which detection is which object.

    Args:
        overlaps: What overlaps; its lowest overlap must not be above the threshold.
        threshold: A detection is an object of its class from this overlap on.
    """
    least = min(threshold, 1 - 1e-10)  # as pycocotools has it
    chosen = np.flatnonzero(overlaps.same & (overlaps.iou >= least))
    detection, thing = overlaps.pair[chosen].T
    # Of equal overlaps pycocotools takes the later object.
    order = np.lexsort((-thing, -overlaps.iou[chosen], detection))
    match = [-1] * len(overlaps.score)
    taken = [-1] * len(overlaps.object_label)
    for d, g in zip(detection[order].tolist(), thing[order].tolist(), strict=True):
        if match[d] < 0 and taken[g] < 0:
            match[d], taken[g] = g, d
    matched = np.array(match, np.int64)
    idle = (overlaps.crowd >= least) | overlaps.excused
    return Assignment(matched, (matched >= 0) | ~idle, np.array(taken, np.int64))


def _ids(entries: list[dict[str, Any]], what: str) -> Ints:
    return np.unique(_column(entries, "id", what))


def _column(entries: list[dict[str, Any]], key: str, what: str) -> Ints:
    values = [entry.get(key) for entry in entries]
    for place, value in enumerate(values):
        if type(value) is not int:
            raise InputError(f"{key} must be a whole number, got {value!r} in {what} {place}")
    return np.array(values, np.int64)


def _entries(entries: list[dict[str, Any]], images: Ints, categories: Ints, what: str) -> _Entries:
    image = _find(_column(entries, "image_id", what), images, what, "image")
    label = _find(_column(entries, "category_id", what), categories, what, "category")
    return _Entries(image, label, np.arange(len(entries)))


def _find(values: Ints, known: Ints, what: str, kind: str) -> Ints:
    wrong = np.flatnonzero(~np.isin(values, known))
    if len(wrong):
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        first = wrong[0]
        raise InputError(f"{what} {first} names {kind} {values[first]}, unknown to the truth{more}")
    return np.searchsorted(known, values)


def _scores(results: list[dict[str, Any]]) -> Floats:
    try:
        score = np.array([result["score"] for result in results], np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"each result must have a number as its score: {error}") from error
    bad = np.flatnonzero(~np.isfinite(score))
    if len(bad):
        raise InputError(f"score must be finite, got {score[bad[0]]} in result {bad[0]}")
    return score


def _rank_within(group: Ints) -> Ints:
    """Return each entry's place among the entries of its group, [D]."""
    order = np.argsort(group, kind="stable")
    sizes = np.unique(group, return_counts=True)[1]
    rank = np.empty(len(group), np.int64)
    rank[order] = np.arange(len(group)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return rank


def _federated(
    entries: list[dict[str, Any]], known: _Entries, found: _Entries, images: Ints, categories: Ints
) -> tuple[Bools, Bools]:
    """Return which results are of a class that was looked for, and which were not all marked."""

    def listed(key: str) -> Ints:
        place = {category: i for i, category in enumerate(categories.tolist())}
        row = {image: i for i, image in enumerate(images.tolist())}
        keys = [
            row[entry["id"]] * len(categories) + place[category]
            for entry in entries
            for category in entry.get(key, ())
            if category in place
        ]
        return np.array(keys, np.int64)

    asked = np.union1d(known.image * len(categories) + known.label, listed("neg_category_ids"))
    own = found.image * len(categories) + found.label
    return np.isin(own, asked), np.isin(own, listed("not_exhaustive_category_ids"))


def _shapes(entries: list[dict[str, Any]], kind: str, truth: Coco) -> Any:
    """Return boxes [E, 4], xywh, or one run-length mask an entry."""
    what = "annotation" if entries is truth["annotations"] else "result"
    if kind == "bbox":
        for place, entry in enumerate(entries):
            if not isinstance(entry.get("bbox"), Sequence) or len(entry["bbox"]) != 4:
                raise InputError(f"bbox must be four numbers, {what} {place} has none")
        boxes = np.array([entry["bbox"] for entry in entries], np.float64).reshape(-1, 4)
        if not np.isfinite(boxes).all():
            first = int(np.flatnonzero(~np.isfinite(boxes).all(axis=1))[0])
            raise InputError(f"bbox must be four finite numbers, {what} {first} has {boxes[first]}")
        return boxes
    sizes = {image["id"]: (image["height"], image["width"]) for image in truth["images"]}
    masks = []
    for place, entry in enumerate(entries):
        if not entry.get("segmentation"):
            raise InputError(f"mask evaluation needs a segmentation, {what} {place} has none")
        masks.append(_to_rle(entry["segmentation"], *sizes[entry["image_id"]]))
    return masks


def _to_rle(segmentation: Any, height: int, width: int) -> Any:
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation


def _compare(
    found: _Entries, known: _Entries, shapes: tuple[Any, Any], crowds: Bools, lowest: float
) -> tuple[Ints, Floats, Floats]:
    """Return the pairs, their overlap, and the part of each detection that lies in a crowd."""
    number = np.cumsum(~crowds) - 1  # of an annotation among the objects
    crowd = np.zeros(len(found.image))
    pairs: list[Ints] = [np.zeros((0, 2), np.int64)]
    ious: list[Floats] = [np.zeros(0)]
    for mine, theirs in _by_image(found.image, known.image):
        first, second = _pick(shapes[0], found.place[mine]), _pick(shapes[1], theirs)
        overlap = np.asarray(coco_mask.iou(first, second, crowds[theirs].astype(np.uint8).tolist()))
        inside = overlap * (found.label[mine][:, None] == known.label[theirs])
        crowd[mine] = inside[:, crowds[theirs]].max(axis=1, initial=0)
        rows, columns = np.nonzero((overlap >= lowest) & ~crowds[theirs])
        pairs.append(np.stack([mine[rows], number[theirs[columns]]], axis=1))
        ious.append(overlap[rows, columns])
    pair, iou = np.concatenate(pairs), np.concatenate(ious)
    order = np.argsort(pair[:, 0], kind="stable")
    return pair[order], iou[order], crowd


def _by_image(first: Ints, second: Ints) -> list[tuple[Ints, Ints]]:
    """Return, for each image that both have, the places of its entries in both."""
    both = np.intersect1d(first, second)
    parts = []
    for values in (first, second):
        order = np.argsort(values, kind="stable")
        low = np.searchsorted(values[order], both, side="left")
        high = np.searchsorted(values[order], both, side="right")
        parts.append([order[a:b] for a, b in zip(low.tolist(), high.tolist(), strict=True)])
    return list(zip(*parts, strict=True))


def _pick(shapes: Any, places: Ints) -> Any:
    return [shapes[i] for i in places.tolist()] if isinstance(shapes, list) else shapes[places]
