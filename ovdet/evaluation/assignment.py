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

from ovdet.evaluation.boundary import boundary_overlaps
from ovdet.evaluation.results import Results, as_results
from ovdet.evaluation.run_lengths import to_rle
from ovdet.evaluation.truth import Coco, Truth, as_truth

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_TOP, _TOP_FEDERATED = 100, 300  # COCO: of an image and class; LVIS: of an image
_TOP_FIXED = 10_000  # LVIS's fixed AP: of a class


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
        crowd: [D], the largest part of the detection that lies in one crowd of its class, or, in
            LVIS, its largest overlap with an object to be ignored.
        excused: [D], whether the detection counts only where it is an object (LVIS).
        object_image: [G], index into ``images``.
        object_label: [G], index into ``categories``.
        annotation: [G], index into the truth's annotations.
        pair: [P, 2], detection and object, ascending by detection.
        iou: [P], at least the lowest that was asked for.
        rule: Which of the results are here, in words.
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
    rule: str

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
class _Objects:
    """The E annotations of a truth, by image.

    Attributes:
        image: [E], index of the image.
        label: [E], index of the class.
        place: [E], index into the truth's annotations.
        crowd: [E], whether it is a crowd, to be compared by the detection's own area.
        apart: [E], whether it is one that nobody has to find: a crowd, or LVIS says to ignore it.
    """

    image: Ints
    label: Ints
    place: Ints
    crowd: Bools
    apart: Bools


def find_overlaps(
    truth: Coco,
    results: Results | Sequence[dict[str, Any]],
    kind: str = "bbox",
    *,
    lowest: float = 0.1,
    fixed: bool = False,
) -> Overlaps:
    """Find which detections overlap which objects, whatever their classes.

    Args:
        truth: A COCO object. Where its images have ``neg_category_ids`` it is judged as LVIS is,
            and the 300 best of an image count instead of the 100 best of an image and class.
        results: COCO results.
        kind: ``bbox``, ``segm`` or ``boundary``.
        lowest: Pairs that overlap less are left out; above 0.
        fixed: Where LVIS's rules hold, the 10,000 best of a class count instead, as in fixed AP.

    Raises:
        InputError: If ``kind`` is unknown, or the truth or a result is wrong.
    """
    found = results if isinstance(results, Results) else as_results(results, truth, kind)
    federated = any("neg_category_ids" in image for image in truth["images"])
    record = as_truth(truth, kind, federated=federated)
    known = _objects(truth, record)
    image = np.searchsorted(record.image_ids, found.image_ids)
    label = np.searchsorted(record.category_ids, found.category_ids)
    excused = np.zeros(len(found), np.bool_)
    order, rule = _best(found, len(record.category_ids), label, federated=federated, fixed=fixed)
    if federated:
        kept, excused = _federated(record, known, image, label)
        order = order[kept[order]]
    order = order[np.lexsort((order, image[order], -found.scores[order]))]
    shapes = _shapes(found, record, known, kind)
    pair, iou, crowd = _compare((image[order], label[order], order), known, shapes, (kind, lowest))
    objects = np.flatnonzero(~known.apart)
    return Overlaps(
        images=record.image_ids,
        categories=record.category_ids,
        image=image[order],
        label=label[order],
        score=found.scores[order],
        result=order,
        crowd=crowd,
        excused=excused[order],
        object_image=known.image[objects],
        object_label=known.label[objects],
        annotation=known.place[objects],
        pair=pair,
        iou=iou,
        rule=rule,
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


def _objects(truth: Coco, record: Truth) -> _Objects:
    entries = [entry for image in record.objects for entry in image]
    owner = np.array([annotation["image_id"] for annotation in truth["annotations"]], np.int64)
    crowd = np.array([entry["iscrowd"] for entry in entries], np.bool_)
    return _Objects(
        image=np.array([entry["image_id"] for entry in entries], np.int64) - 1,
        label=np.array([entry["category_id"] for entry in entries], np.int64) - 1,
        place=np.argsort(owner, kind="stable"),  # within an image the order is the file's
        crowd=crowd,
        apart=crowd | np.array([bool(entry.get("ignore")) for entry in entries], np.bool_),
    )


def _best(
    found: Results, classes: int, label: Ints, *, federated: bool, fixed: bool
) -> tuple[Ints, str]:
    """Return the places of the results that count, before anything is left out, and the rule."""
    if not federated:
        group = np.unique(found.image_ids, return_inverse=True)[1] * classes + label
        return found.find_best(group, _TOP), f"COCO's: the {_TOP} best of an image and class"
    if fixed:
        return found.find_best(label, _TOP_FIXED), f"LVIS's: the {_TOP_FIXED:,} best of a class"
    return (
        found.find_best(found.image_ids, _TOP_FEDERATED),
        f"LVIS's: the {_TOP_FEDERATED} best of an image",
    )


def _federated(record: Truth, known: _Objects, image: Ints, label: Ints) -> tuple[Bools, Bools]:
    """Return which results are of a class that was looked for, and which were not all marked."""
    classes = len(record.category_ids)

    def listed(key: str) -> Ints:
        cells = [
            row * classes + category - 1
            for row, entry in enumerate(record.images)
            for category in entry[key]
        ]
        return np.array(cells, np.int64)

    asked = np.union1d(known.image * classes + known.label, listed("neg_category_ids"))
    own = image * classes + label
    return np.isin(own, asked), np.isin(own, listed("not_exhaustive_category_ids"))


def _shapes(found: Results, record: Truth, known: _Objects, kind: str) -> tuple[Any, Any]:
    """Return boxes [D, 4] and [E, 4], xywh, or lists of D and E run-length masks."""
    entries = [entry for image in record.objects for entry in image]
    if kind == "bbox":
        return found.boxes, np.array([e["bbox"] for e in entries], np.float64).reshape(-1, 4)
    sizes = [(record.images[i]["height"], record.images[i]["width"]) for i in known.image.tolist()]
    masks = [to_rle(e["segmentation"], *size) for e, size in zip(entries, sizes, strict=True)]
    return found.masks, masks


def _compare(
    found: tuple[Ints, Ints, Ints],
    known: _Objects,
    shapes: tuple[Any, Any],
    rule: tuple[str, float],
) -> tuple[Ints, Floats, Floats]:
    """Return the pairs, their overlap, and the part of each detection that nobody has to find."""
    image, label, place = found
    kind, lowest = rule
    number = np.cumsum(~known.apart) - 1  # of an annotation among the objects
    idle = np.zeros(len(image))
    pairs: list[Ints] = [np.zeros((0, 2), np.int64)]
    ious: list[Floats] = [np.zeros(0)]
    for mine, theirs in _by_image(image, known.image):
        some = _pick(shapes[0], place[mine]), _pick(shapes[1], theirs)
        overlap = _overlap(*some, known.crowd[theirs], kind)
        apart = known.apart[theirs]
        same = label[mine][:, None] == known.label[theirs]
        idle[mine] = (overlap * same)[:, apart].max(axis=1, initial=0)
        rows, columns = np.nonzero((overlap >= lowest) & ~apart)
        pairs.append(np.stack([mine[rows], number[theirs[columns]]], axis=1))
        ious.append(overlap[rows, columns])
    pair, iou = np.concatenate(pairs), np.concatenate(ious)
    order = np.argsort(pair[:, 0], kind="stable")
    return pair[order], iou[order], idle


def _overlap(first: Any, second: Any, crowd: Bools, kind: str) -> Floats:
    from pycocotools import mask as coco_mask

    if kind != "bbox":
        first = [to_rle(mask, *mask["size"]) for mask in first]
    overlap = np.asarray(coco_mask.iou(first, second, crowd.astype(np.uint8)))
    if kind == "boundary":
        overlap = np.where(crowd, overlap, np.minimum(overlap, boundary_overlaps(first, second)))
    return overlap


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
    if isinstance(shapes, np.ndarray):
        return shapes[places]
    return [shapes[i] for i in places.tolist()]
